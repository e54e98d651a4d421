//! The layout of diffusers: `config.json` and `diffusion_pytorch_model.safetensors`.

pub(crate) mod autoencoder;
mod blocks;
pub(crate) mod dit;
pub(crate) mod names;
mod recognise;
pub(crate) mod scheduler;
pub(crate) mod scheduler_write;
pub(crate) mod unet;
pub(crate) mod unet_write;
mod write;

pub(crate) use recognise::{open, recognise_pipeline};
