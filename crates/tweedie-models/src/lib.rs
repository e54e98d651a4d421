//! Networks of diffusion models, as burn modules: `Config → init(&device) → Module`.
//!
//! | network | file |
//! |---|---|
//! | [`Unet`], the U-Net of DDPM | `unet.rs` |
//! | [`Mlp`] for points | `mlp.rs` |
//! | sinusoidal [`TimeEmbedding`] | `time.rs` |
//! | [`ResBlock`] | `resblock.rs` |
//! | [`SelfAttention`] over pixels | `attention.rs` |
//! | [`Downsample`], [`Upsample`] | `resample.rs` |
//!
//! Each implements [`Network`](tweedie_core::Network); with a
//! [`Prediction`](tweedie_math::Prediction) and a [`TimeInput`](tweedie_core::TimeInput) it is a
//! [`Denoiser`](tweedie_core::Denoiser). Trained weights with their configuration are a [`Model`]
//! in one directory.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tweedie_core::{Denoiser, Preconditioned, TimeInput};
//! use tweedie_math::{Level, Prediction};
//! use tweedie_models::UnetConfig;
//!
//! let device = Device::flex();
//! let network = UnetConfig::new(1).with_width(32).init(&device)?;
//! let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
//! let clean = model.denoise(Tensor::ones([2, 1, 16, 16], &device), Level::new(0.6, 0.8)?);
//! assert_eq!(clean.dims(), [2, 1, 16, 16]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attention;
mod initialise;
mod mlp;
mod model;
mod patch;
mod resample;
mod resblock;
mod time;
mod unet;

pub use attention::SelfAttention;
pub use initialise::seeded;
pub use mlp::{Mlp, MlpConfig};
pub use model::{Model, ModelConfig, ModelError, Precision};
pub use resample::{Downsample, Upsample};
pub use resblock::{ResBlock, ResBlockConfig};
pub use time::TimeEmbedding;
pub use unet::{Unet, UnetConfig, UnetError};
