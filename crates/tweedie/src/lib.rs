//! Diffusion models and imaging inverse problems on [burn], on CPU and GPU.
//!
//! | module | answers | feature |
//! |---|---|---|
//! | [`math`] | how much noise, in which order, with which coefficients? | |
//! | [`core`] | what is a denoiser? where does randomness come from? which priors are exact? | |
//! | [`samplers`] | how does a chain move? how likely are data? | |
//! | [`inverse`] | what was measured, and how does that bend the chain? | |
//! | [`kernels`] | what does burn not have, or not as fast? | |
//! | [`models`] | which network? from which checkpoint? | `models` |
//! | [`train`] | what is the loss, who averages the weights, how does a run resume? | `train` |
//! | [`image`] | images in and out | `image` |
//! | [`metrics`] | how far from the truth? | `metrics` |
//!
//! The four features are on by default, as is the backend `flex`; a GPU is a feature too (`vulkan`,
//! `metal`, `cuda`, …). [`prelude`] has what most programs need, [`Error`] is any error of these
//! modules.
//!
//! A sampler is a step and a path; a run takes a denoiser, a state and a source of noise. Here the
//! denoiser is exact, so that what is drawn can be compared with the data:
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
pub use tweedie_kernels as kernels;
pub use tweedie_math as math;
#[cfg(feature = "metrics")]
pub use tweedie_metrics as metrics;
#[cfg(feature = "models")]
pub use tweedie_models as models;
pub use tweedie_samplers as samplers;
#[cfg(feature = "train")]
pub use tweedie_train as train;

/// What most programs need.
pub mod prelude {
    pub use burn::tensor::{Device, Tensor};
    pub use tweedie_core::{
        BrownianTree, Denoiser, DenoiserExt, DeviceNoise, HostNoise, Network, Noise,
        Preconditioned, TimeInput, ValueRange, from_fn,
    };
    #[cfg(feature = "image")]
    pub use tweedie_image::{Images, Sheet};
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
    pub use tweedie_train::{Objective, Settings, Trainer};
}

/// The examples of the README, which run where its files are.
#[cfg(all(
    doctest,
    feature = "image",
    feature = "metrics",
    feature = "models",
    feature = "train"
))]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;
