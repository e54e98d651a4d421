//! FFDNet: a denoiser of photographs for a known noise level.
//!
//! The network folds 2×2 pixels into channels and concatenates a map of the noise level. Twelve 3×3
//! convolutions with ReLU between them then predict the clean image itself.
//!
//! # Reference
//! Zhang, Zuo & Zhang 2018, "FFDNet: Toward a fast and flexible solution for CNN-based image
//! denoising", arXiv:1710.04026.

use crate::NetworkError;
use crate::convolution::Conv2d;
use crate::import::{CheckpointError, Flat, Precision, Stored, load};
use crate::patch::{fold, unfold};
use crate::photograph::{accepts, chain, estimate, through, unmade};
use crate::unet::counted;
use burn::module::Module;
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};
use std::path::Path;
use tweedie_core::{DenoiseError, Denoiser, InputError};
use tweedie_math::Level;

/// The FFDNet denoiser.
///
/// As a [`Denoiser`], FFDNet takes images in `[−1, 1]` at any level with `α > 0`. The published
/// network was trained for noise of up to 75/255 in `[0, 1]`, that is `σ/α ≤ 0.59`.
#[derive(Module, Debug)]
pub struct Ffdnet {
    pub(crate) layers: Vec<Conv2d>,
}

impl Ffdnet {
    /// Creates an untrained network of `depth` layers with `width` hidden channels.
    ///
    /// The images have `channels` channels.
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
            layers: chain([4 * channels + 1, 4 * channels], width, depth, device),
        })
    }

    /// The number of image channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        let last = self.layers.last();
        last.map_or(0, |layer| layer.weight.dims()[0] / 4)
    }

    /// The radius of the receptive field in pixels: two for each layer, and one for the folding.
    #[must_use]
    pub fn reach(&self) -> usize {
        2 * self.layers.len() + 1
    }

    /// Loads the published colour network, whose weights are part of this crate.
    ///
    /// The weights take 1.7 MB in `f16` (MIT licence, Kai Zhang).
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use tweedie_core::{Denoiser, InputError};
    /// use tweedie_math::Level;
    /// use tweedie_models::Ffdnet;
    ///
    /// let device = Device::flex();
    /// let clean = Tensor::<4>::zeros([1, 3, 16, 16], &device);
    /// let normal = burn::tensor::Distribution::Normal(0.0, 0.1);
    /// let noisy = clean.clone() + Tensor::random([1, 3, 16, 16], normal, &device);
    /// let found = Ffdnet::colour(&device).denoise(noisy, Level::new(1.0, 0.1)?)?;
    /// assert!((found - clean).abs().mean().into_scalar::<f32>() < 0.04);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn colour(device: &Device) -> Self {
        static WEIGHTS: &[u8] = include_bytes!("../data/ffdnet_color.safetensors");
        let path = Path::new("ffdnet_color.safetensors");
        let network = Self::new(3, 96, 12, device).map_err(|source| unmade(path, source));
        Stored::bytes(WEIGHTS)
            .and_then(|stored| load(network?, &stored, &Flat, Precision::Full))
            .unwrap_or_else(|error| unreachable!("the weights of this crate: {error}"))
    }

    /// Reads weights in the published layout: `model.0.weight`, `model.2.weight`, ….
    ///
    /// # Errors
    /// [`CheckpointError`] for a file that is broken or has other tensors.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        let stored = Stored::open(path.as_ref())?.below("model.0.weight")?;
        let depth = stored.tensors.len() / 2;
        let side =
            |name: String, i: usize| stored.shape(&name).and_then(|shape| shape.get(i).copied());
        let width = side("model.0.weight".into(), 0);
        let last = side(format!("model.{}.weight", 2 * depth.max(1) - 2), 0);
        let (Some(width), Some(last)) = (width, last.filter(|last| last.is_multiple_of(4))) else {
            return Err(CheckpointError::Unknown {
                path: path.as_ref().into(),
                message: "not FFDNet's layers model.0, model.2, …".into(),
            });
        };
        let network = Self::new(last / 4, width, depth, device);
        let network = network.map_err(|source| unmade(path.as_ref(), source))?;
        load(network, &stored, &Flat, Precision::Full)
    }

    /// Denoises images `[b, c, h, w]` in `[0, 1]`.
    ///
    /// `sigma` is the standard deviation of the noise in the same range. Odd heights and widths are
    /// padded by repeating the last row or column.
    #[must_use]
    pub fn restore(&self, images: Tensor<4>, sigma: f64) -> Tensor<4> {
        let [batch, _, h, w] = images.dims();
        let odd = [h % 2, w % 2];
        let images = match odd {
            [0, 0] => images,
            [down, right] => images.pad((0, right, 0, down), PadMode::Edge),
        };
        let folded = fold(images, 2);
        let [_, _, rows, columns] = folded.dims();
        let options = (&folded.device(), folded.dtype());
        let map = Tensor::full([batch, 1, rows, columns], sigma, options);
        let x = through(&self.layers, Tensor::cat(vec![folded, map], 1));
        unfold(x, 2).narrow(2, 0, h).narrow(3, 0, w)
    }
}

impl Denoiser<4> for Ffdnet {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        Ok(estimate(x, level, |images, sigma| {
            self.restore(images, sigma)
        }))
    }

    fn supports(&self, level: Level) -> bool {
        level.alpha() > 0.0
    }

    fn accepts(&self, shape: [usize; 4]) -> Result<(), InputError> {
        accepts(self.channels(), shape)
    }
}
