//! DnCNN: a chain of convolutions that predicts the noise in an image.
//!
//! `x − F(x)`, with 3×3 convolutions and ReLU between them. The published networks have 17 layers
//! for one noise level, or 20 for any (blind), with the normalisation of the paper merged into the
//! convolutions.
//!
//! # Reference
//! Zhang, Zuo, Chen, Meng & Zhang 2017, "Beyond a Gaussian denoiser: residual learning of deep CNN
//! for image denoising", arXiv:1608.03981.

use crate::NetworkError;
use crate::convolution::Conv2d;
use crate::import::{CheckpointError, Flat, Precision, Stored, load};
use crate::photograph::{accepts, chain, estimate, through, unmade};
use crate::unet::counted;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::path::Path;
use tweedie_core::{DenoiseError, Denoiser, InputError};
use tweedie_math::Level;

/// The DnCNN denoiser.
///
/// As a [`Denoiser`] it takes images in `[−1, 1]` at any level with `α > 0`. The level is no input
/// of it: a network for one level `σ₀` in `[0, 1]` belongs to `σ/α = 2 σ₀`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_models::Dncnn;
///
/// let network = Dncnn::new(1, 16, 5, &Device::flex())?;
/// let images = Tensor::<4>::ones([1, 1, 9, 12], &Device::flex());
/// assert_eq!(network.restore(images).dims(), [1, 1, 9, 12]);
/// # Ok::<(), tweedie_models::NetworkError>(())
/// ```
#[derive(Module, Debug)]
pub struct Dncnn {
    layers: Vec<Conv2d>,
}

impl Dncnn {
    /// Creates an untrained network of `depth` layers with `width` hidden channels.
    ///
    /// # Errors
    /// [`NetworkError`] if a number is 0 or above 65,536.
    pub fn new(
        channels: usize,
        width: usize,
        depth: usize,
        device: &Device,
    ) -> Result<Self, NetworkError> {
        counted(&[("channels", channels), ("width", width), ("depth", depth)])?;
        Ok(Self {
            layers: chain([channels, channels], width, depth, device),
        })
    }

    /// The number of image channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        let first = self.layers.first();
        first.map_or(0, |layer| layer.weight.dims()[1])
    }

    /// Reads weights in the published layout: `model.0.weight`, `model.2.weight`, ….
    ///
    /// # Errors
    /// [`CheckpointError`] for a file that is broken or has other tensors.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let stored = Stored::open(path)?.below("model.0.weight")?;
        let depth = stored.tensors.len() / 2;
        let [Some(width), Some(channels)] = [0, 1].map(|i| {
            let shape = stored.shape("model.0.weight");
            shape.and_then(|shape| shape.get(i).copied())
        }) else {
            return Err(CheckpointError::Unknown {
                path: path.into(),
                message: "not DnCNN's layers model.0, model.2, …".into(),
            });
        };
        let network = Self::new(channels, width, depth, device);
        let network = network.map_err(|source| unmade(path, source))?;
        load(network, &stored, &Flat, Precision::Full)
    }

    /// Denoises images `[b, c, h, w]` in `[0, 1]`.
    #[must_use]
    pub fn restore(&self, images: Tensor<4>) -> Tensor<4> {
        images.clone() - through(&self.layers, images)
    }
}

impl Denoiser<4> for Dncnn {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        Ok(estimate(x, level, |images, _| self.restore(images)))
    }

    fn supports(&self, level: Level) -> bool {
        level.alpha() > 0.0
    }

    fn accepts(&self, shape: [usize; 4]) -> Result<(), InputError> {
        accepts(self.channels(), shape)
    }
}
