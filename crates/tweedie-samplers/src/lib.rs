//! Samplers: every method that walks a reverse process.
//!
//! A [`Sampler`] is a [`Step`], the numerical method, and a [`LevelPath`](tweedie_math::LevelPath),
//! the sequence of noise levels. Both are plain values. The state of a run lives in its iterator,
//! so several threads can share one sampler.
//!
//! | step | evaluations per move | file |
//! |---|---|---|
//! | every [`Kernel`]: DDPM, DDIM, Euler, Euler–Maruyama, reverse diffusion | 1 | `history.rs` |
//! | [`Multistep`]: Adams–Bashforth, DEIS, DPM-Solver++ (2M, 3M, SDE), iPNDM | 1 | `history.rs` |
//! | [`UniPc`] | 1 | `uni_pc.rs` |
//! | [`Pndm`] | 1; 2 or 4 for the first moves | `pndm.rs` |
//! | [`RungeKutta`]: midpoint, Heun, RK4, any tableau | 2, 2, 4 | `runge_kutta.rs` |
//! | [`DpmSolver`], singlestep | 2, 3 | `dpm_solver.rs` |
//! | [`Adaptive`]: Bogacki–Shampine, Dormand–Prince, Tsitouras | adaptive | `adaptive.rs` |
//! | [`AdaptiveSde`] | adaptive | `adaptive_sde.rs` |
//! | [`FreshNoise`]: the ancestral form of a deterministic step | the step's | `fresh_noise.rs` |
//! | [`Churn`]: EDM's stochastic sampler | the step's | `churn.rs` |
//! | [`DpmSde`] | 2 | `dpm_sde.rs` |
//! | [`LearnedAncestral`]: DDPM with learned variance | 1 | `learned.rs` |
//! | [`PredictorCorrector`] | the sum of both | `predictor_corrector.rs` |
//! | [`Langevin`], [`AnnealedLangevin`], [`Mala`] | 1, `T`, 2 | `langevin.rs`, … |
//!
//! [`affine_law`] returns the exact distribution that a sampler draws from under a Gaussian prior.
//! [`likelihood`] computes the log-likelihood of data under the probability flow, or bounds it
//! under the discrete chain. [`slerp`] interpolates between latents.
//!
//! [`Kernel`]: tweedie_math::Kernel
//! [`Multistep`]: tweedie_math::Multistep
//!
//! ```
//! use burn::tensor::Device;
//! use tweedie_core::{HostNoise, oracle::Gaussian};
//! use tweedie_math::{Ddim, LevelPath, Span, VariancePreserving};
//! use tweedie_samplers::Sampler;
//!
//! let data = Gaussian::isotropic(&[3.0, -1.0], 0.5)?;
//! let path = LevelPath::uniform(VariancePreserving::default(), Span::FULL, 100)?;
//! let sampler = Sampler::new(Ddim::ancestral(), path);
//! let mut noise = HostNoise::seeded(7);
//! let x = sampler.start([1000, 2], &Device::flex(), &mut noise)?;
//! let x = sampler.sample(&data, x, &mut noise)?;
//! let mean = x.mean_dim(0).into_data().try_into_vec::<f32>()?;
//! assert!((mean[0] - 3.0).abs() < 0.1 && (mean[1] + 1.0).abs() < 0.1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adaptive;
mod adaptive_sde;
mod affine;
mod annealed;
mod any_step;
mod churn;
mod dpm_sde;
mod dpm_solver;
mod fresh_noise;
mod history;
mod integrator;
mod interpolate;
mod langevin;
mod learned;
pub mod likelihood;
mod mala;
mod pndm;
mod predictor_corrector;
mod runge_kutta;
mod sampler;
mod step;
mod uni_pc;

pub use adaptive::{Adaptive, AdaptiveError, DenseOutput};
pub use adaptive_sde::AdaptiveSde;
pub use affine::{AffineError, OverlapNoise, affine_law};
pub use annealed::AnnealedLangevin;
pub use any_step::AnyStep;
pub use churn::Churn;
pub use dpm_sde::DpmSde;
pub use dpm_solver::DpmSolver;
pub use fresh_noise::FreshNoise;
pub use history::History;
pub use integrator::{Controller, Tolerance};
pub use interpolate::slerp;
pub use langevin::Langevin;
pub use learned::LearnedAncestral;
pub use mala::Mala;
pub use pndm::{Pndm, PndmStart};
pub use predictor_corrector::PredictorCorrector;
pub use runge_kutta::RungeKutta;
pub use sampler::{SampleError, Sampler, Trajectory};
pub use step::{Convergence, State, Step, StepContext, StepError};
pub use uni_pc::{Correctable, UniPc};

// Every kernel and every multistep method is a step.
#[doc(inline)]
pub use tweedie_math::{kernel::*, multistep::*};
