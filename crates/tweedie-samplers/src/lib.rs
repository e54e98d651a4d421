//! Samplers: every way to walk a reverse process.
//!
//! A [`Sampler`] is a [`Step`], which says how to move, and a
//! [`Path`](tweedie_math::Path), which says through which levels. Both are values; the state of a
//! run lives in its iterator, so one sampler serves many threads.
//!
//! | step | file |
//! |---|---|
//! | every [`Kernel`](tweedie_math::Kernel): DDPM, DDIM, Euler, Euler–Maruyama, reverse diffusion | `kernel_step.rs` |
//! | [`Heun`], second order | `heun.rs` |
//!
//! ```
//! use burn::tensor::Device;
//! use tweedie_core::{HostNoise, oracle::Gaussian};
//! use tweedie_math::{Ddim, Path, Span, VariancePreserving};
//! use tweedie_samplers::Sampler;
//!
//! let data = Gaussian::isotropic(&[3.0, -1.0], 0.5)?;
//! let path = Path::uniform(VariancePreserving::default(), Span::FULL, 100)?;
//! let sampler = Sampler::new(Ddim::ancestral(), path);
//! let mut noise = HostNoise::seeded(7);
//! let x = sampler.start([1000, 2], &Device::flex(), &mut noise);
//! let x = sampler.sample(&data, x, &mut noise)?;
//! let mean = x.mean_dim(0).into_data().try_into_vec::<f32>()?;
//! assert!((mean[0] - 3.0).abs() < 0.1 && (mean[1] + 1.0).abs() < 0.1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod heun;
mod kernel_step;
mod sampler;
mod step;

pub use heun::Heun;
pub use sampler::{SampleError, Sampler};
pub use step::{State, Step};
