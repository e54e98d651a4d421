//! Diffusion models and imaging inverse problems on [burn], on CPU and GPU.
//!
//! | module | contents | feature |
//! |---|---|---|
//! | [`math`] | noise schedules, paths of levels, coefficients of reverse steps; no tensors | |
//! | [`core`] | denoisers, reproducible noise, priors with closed forms | |
//! | [`samplers`] | samplers, likelihoods | |
//! | [`sde`] | Brownian paths, stochastic differential equations, the Fokker–Planck equation | |
//! | [`inverse`] | measurement operators, noise models, posterior methods | |
//! | [`ops`] | Fourier transforms, convolution, normalisation, attention, AdamW | |
//! | [`models`] | networks, checkpoints | `models` |
//! | [`train`] | objectives, the trainer, running averages, resumption | `train` |
//! | [`image`] | reading, writing and plotting images | `image` |
//! | [`metrics`] | distances between images and between distributions | `metrics` |
//!
//! The four features, `npy` and the backend `flex` are on by default; GPU backends are features too
//! (`vulkan`, `metal`, `cuda`, …). [`prelude`] exports what most programs need. [`Error`] converts
//! from every error of these modules.
//!
//! A sampler is a step and a path; a run takes a denoiser, a state and a source of noise. In this
//! example the denoiser is exact, so the samples can be compared with the data:
//!
//! ```
//! use tweedie::core::oracle::Gaussian;
//! use tweedie::prelude::*;
//!
//! let data = Gaussian::isotropic(&[2.0, -1.0], 0.3)?;
//! let schedule = VariancePreserving::default();
//! let path = LevelPath::karras(schedule, Span::default(), 20, 7.0)?.then_clean();
//! let sampler = Sampler::new(RungeKutta::heun(), path);
//! let mut noise = HostNoise::seeded(0);
//! let x = sampler.start([1000, 2], &Device::default(), &mut noise)?;
//! let x = sampler.sample(&data, x, &mut noise)?;
//! let mean: Vec<f32> = x.mean_dim(0).into_data().try_into_vec()?;
//! assert!((mean[0] - 2.0).abs() < 0.1 && (mean[1] + 1.0).abs() < 0.1);
//! # Ok::<(), tweedie::Error>(())
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;

pub use burn;
pub use error::Error;
pub use tweedie_core as core;
#[cfg(feature = "image")]
pub use tweedie_image as image;
pub use tweedie_inverse as inverse;
pub use tweedie_math as math;
#[cfg(feature = "metrics")]
pub use tweedie_metrics as metrics;
#[cfg(feature = "models")]
pub use tweedie_models as models;
pub use tweedie_ops as ops;
pub use tweedie_samplers as samplers;
pub use tweedie_sde as sde;
#[cfg(feature = "train")]
pub use tweedie_train as train;

/// The types and traits that most programs need.
pub mod prelude {
    pub use burn::tensor::{Device, Tensor};
    pub use tweedie_core::{
        BrownianTree, Denoiser, DenoiserExt, DeviceNoise, HostNoise, Network, Noise,
        Preconditioned, TimeInput, ValueRange, from_fn,
    };
    #[cfg(feature = "image")]
    pub use tweedie_image::{Images, Sheet};
    pub use tweedie_inverse::{measurement::Measurement, noise::GaussianNoise};
    pub use tweedie_math::{
        Ancestral, Chain, Cosine, Ddim, Edm, Kernel, Level, LevelPath, Prediction, RectifiedFlow,
        Schedule, Spacing, Span, VariancePreserving, Weighting,
        multistep::{DpmSolverMultistep, Order, Variable},
    };
    #[cfg(feature = "models")]
    pub use tweedie_models::{
        Architecture, Checkpoint, Conditions, Model, ModelConfig, UnetConfig,
    };
    pub use tweedie_samplers::{
        Adaptive, AnyStep, DpmSolver, RungeKutta, Sampler, State, Step, UniPc, likelihood,
    };
    #[cfg(feature = "train")]
    pub use tweedie_train::{DropCondition, Paired, ScoreMatching, TrainSettings, Trainer};
}
