#![doc = include_str!("../README.md")]

mod error;

pub use burn;
pub use error::Error;
pub use tweedie_core as core;
pub use tweedie_image as image;
pub use tweedie_inverse as inverse;
pub use tweedie_kernels as kernels;
pub use tweedie_math as math;
pub use tweedie_metrics as metrics;
pub use tweedie_models as models;
pub use tweedie_samplers as samplers;
pub use tweedie_train as train;

/// What most programs need.
pub mod prelude {
    pub use burn::tensor::{Device, Tensor};
    pub use tweedie_core::{
        BrownianTree, Denoiser, DenoiserExt, DeviceNoise, HostNoise, Network, Noise,
        Preconditioned, TimeInput, from_fn,
    };
    pub use tweedie_image::{Images, Sheet, ValueRange};
    pub use tweedie_math::{
        Ancestral, Chain, Cosine, Ddim, Edm, Kernel, Level, LevelPath, Prediction, RectifiedFlow,
        Schedule, Spacing, Span, VariancePreserving, Weighting,
        multistep::{DpmSolverMultistep, Order, Variable},
    };
    pub use tweedie_models::{
        Architecture, Checkpoint, Conditions, Model, ModelConfig, UnetConfig,
    };
    pub use tweedie_samplers::{
        Adaptive, AnyStep, DpmSolver, RungeKutta, Sampler, State, Step, UniPc, likelihood,
    };
    pub use tweedie_train::{Objective, Settings, Trainer};
}
