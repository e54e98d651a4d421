//! Networks of diffusion models, as burn modules: `Config → init(&device) → Module`.
//!
//! | network | file |
//! |---|---|
//! | [`Unet`]: DDPM, ADM, NCSN++, SR3, Stable Diffusion | `unet/` |
//! | [`Dit`], the transformer | `dit/` |
//! | [`Autoencoder`] and [`Latent`] diffusion | `autoencoder.rs`, `latent.rs` |
//! | [`Ffdnet`], [`Drunet`], [`Dncnn`], denoisers of photographs | `ffdnet.rs`, `drunet.rs`, `dncnn.rs` |
//! | [`Demosaicnet`], the colours of a Bayer mosaic | `demosaicnet.rs` |
//! | [`Mlp`] for points | `mlp.rs` |
//!
//! | part | file |
//! |---|---|
//! | [`ResBlock`] | `resblock.rs` |
//! | [`Attention`], [`SelfAttention`] | `attention.rs` |
//! | [`SpatialTransformer`] with cross-attention | `transformer.rs` |
//! | [`TimeEmbedding`], [`ClassEmbedding`] | `time.rs`, `class.rs` |
//! | [`Downsample`], [`Upsample`], [`Filter`] | `resample.rs` |
//!
//! [`Checkpoint`] opens published checkpoints. A [`Model`] is a network with its prediction type
//! and its time input. [`Conditions`] are the other inputs: class, context and image. A
//! [`Description`] tabulates the layers of a network.
//!
//! [`Unet`], [`Dit`] and [`Mlp`] implement [`Network`](tweedie_core::Network). With a
//! [`Prediction`](tweedie_math::Prediction) and a [`TimeInput`](tweedie_core::TimeInput), a network
//! becomes a [`Denoiser`](tweedie_core::Denoiser).
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tweedie_core::{Denoiser, Preconditioned, TimeInput};
//! use tweedie_math::{Level, Prediction};
//! use tweedie_models::UnetConfig;
//!
//! let device = Device::flex();
//! let network = UnetConfig::new(1).init(&device)?;
//! let model = Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr);
//! let clean = model.denoise(Tensor::ones([2, 1, 16, 16], &device), Level::new(0.6, 0.8)?)?;
//! assert_eq!(clean.dims(), [2, 1, 16, 16]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activation;
mod any;
mod architecture;
mod attention;
mod autoencoder;
mod class;
mod conditions;
mod convolution;
mod demosaicnet;
mod describe;
mod dit;
mod dncnn;
mod drunet;
mod expect;
mod ffdnet;
mod guided;
mod import;
mod initialise;
mod latent;
mod low_rank;
mod mlp;
mod model;
mod network_error;
mod norm;
mod patch;
mod photograph;
mod probe;
mod resample;
mod resblock;
mod sampling;
mod time;
mod transformer;
mod unet;

pub use activation::Activation;
pub use any::{AnyArchitecture, AnyNetwork};
pub use architecture::{Architecture, Published};
pub use attention::{Attention, Heads, SelfAttention};
pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use class::{ClassEmbedding, ClassInput};
pub use conditions::{Class, Conditions, Context};
pub use convolution::{Conv2d, Conv2dConfig};
pub use demosaicnet::Demosaicnet;
pub use describe::{Description, Row};
pub use dit::{Dit, DitBlock, DitConfig, LevelAndClass};
pub use dncnn::Dncnn;
pub use drunet::Drunet;
pub use ffdnet::Ffdnet;
pub use guided::Guided;
pub use import::{
    Adapters, Checkpoint, CheckpointError, Layout, Mismatch, Misshapen, Naming, Place, Precision,
    Target,
};
pub use initialise::seeded;
pub use latent::Latent;
pub use low_rank::LowRank;
pub use mlp::{Mlp, MlpConfig};
pub use model::{Model, ModelConfig};
pub use network_error::NetworkError;
pub use probe::{Probe, Probed};
pub use resample::{Downsample, Filter, Upsample};
pub use resblock::{BlockResize, Conditioning, ResBlock, ResBlockConfig};
pub use sampling::{Clip, End, Grid, Sampling};
pub use time::{Perceptron, TimeEmbedding, TimeEncoding};
pub use transformer::{SpatialTransformer, TransformerBlock};
pub use unet::{
    Attend, BlockAttention, ContextInput, DownBlock, MidBlock, Resampling, Unet, UnetConfig,
    UnetLevel, UpBlock,
};
