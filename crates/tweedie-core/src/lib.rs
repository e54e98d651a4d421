//! Denoisers, randomness, gradients and exact oracles: the core of `tweedie` on burn tensors.
//!
//! *Tweedie's formula* relates the optimal removal of Gaussian noise to the score of the noisy
//! distribution. For `x_t = α x₀ + σ ε`,
//!
//! `E[x₀ | x_t] = (x_t + σ² ∇ log p(x_t)) / α`.
//!
//! A [`Denoiser`] computes this conditional mean at a [`Level`](tweedie_math::Level).
//! [`DenoiserExt`] converts it to noise, score or velocity. [`Preconditioned`] turns a network into
//! a denoiser. For Gaussians and their mixtures the conditional mean has a closed form
//! ([`oracle`]), against which the samplers are tested.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tweedie_core::{DenoiserExt, oracle::Gaussian};
//! use tweedie_math::Level;
//!
//! // Tweedie for data N(0, 1) and noise of σ = 0.7: x̂₀ = x/(1 + 0.49).
//! let data = Gaussian::isotropic(&[0.0], 1.0)?;
//! let level = Level::variance_exploding(0.7)?;
//! let x = Tensor::<1>::from_floats([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0], &Device::flex());
//! let x = x.reshape([7, 1]);
//! let clean = x.clone() + DenoiserExt::score(&data, x, level)? * 0.49;
//! let clean = clean.into_data().try_into_vec::<f32>()?;
//! assert!((clean[0] + 2.0134).abs() < 1e-4 && (clean[6] - 2.0134).abs() < 1e-4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advance;
mod autodiff;
mod brownian;
mod condition;
mod counting;
mod denoiser;
mod evidence;
mod files;
mod generator;
mod guidance;
mod input;
mod ladder;
mod latent_gaussian;
mod levels;
mod noise;
pub mod oracle;
mod potential;
mod precondition;
mod product;
mod recall;
mod resize;
mod shape;
mod threshold;
mod tiled;
mod value_range;
mod variational;

pub use advance::Advance;
pub use autodiff::{Pullback, try_vjp, vjp};
pub use brownian::BrownianTree;
pub use condition::{Condition, ConditionError, Conditioned};
pub use counting::Counting;
pub use denoiser::{
    Denoiser, DenoiserExt, FromFn, Posterior, TryFromFn, from_fn, linearised, tracked, try_from_fn,
};
pub use evidence::Evidence;
pub use files::{
    open_file, read_file, read_text, replace_file, replace_file_at, replace_file_with, sync_folder,
};
pub use generator::lock_generator;
pub use guidance::ClassifierFree;
pub use input::{DenoiseError, InputError};
pub use ladder::{LadderEvidence, Rung};
pub use latent_gaussian::{Encoding, LatentGaussian};
pub use levels::Levels;
pub use noise::{DeviceNoise, HostNoise, Noise, Replay};
pub use potential::Potential;
pub use precondition::{Network, Preconditioned, TimeInput};
pub use product::{Corner, Product};
pub use recall::{Recall, WithEstimate};
pub use resize::{Interpolation, Resize};
pub use shape::{accumulation_dtype, column, parameter_dtype, per_sample_sum};
pub use threshold::{DynamicThreshold, StaticClip};
pub use tiled::Tiled;
pub use value_range::{LUMA, ValueRange};
pub use variational::{Decoder, gaussian_kl};
