//! Demosaicnet: a network that fills in the colours of a Bayer mosaic.
//!
//! Blocks of 2×2 pixels become channels at half the resolution, where a chain of convolutions
//! without padding computes features and masks; their product gives an estimate at the full
//! resolution, and two more convolutions join it with the mosaic.
//!
//! # Reference
//! Gharbi, Chaurasia, Paris & Durand 2016, "Deep joint demosaicking and denoising", section 3. The
//! network is that of the authors' Python package `demosaicnet`, with whose weights it works
//! (3.6 MB, MIT licence).

use crate::NetworkError;
use crate::convolution::{Conv2d, Conv2dConfig};
use crate::import::{CheckpointError, Naming, Place, Precision, Stored, Target, load, pytorch};
use crate::photograph::unmade;
use crate::unet::counted;
use burn::module::Module;
use burn::nn::conv::{ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::path::Path;

/// The network for Bayer mosaics.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_models::Demosaicnet;
///
/// // The published network has 15 layers with 64 channels.
/// let network = Demosaicnet::new(8, 4, &Device::flex())?;
/// let mosaic = Tensor::<4>::ones([1, 3, 21, 32], &Device::flex());
/// assert_eq!(network.restore(mosaic, [0, 1]).dims(), [1, 3, 21, 32]);
/// # Ok::<(), tweedie_models::NetworkError>(())
/// ```
#[derive(Module, Debug)]
pub struct Demosaicnet {
    pack: Conv2d,
    layers: Vec<Conv2d>,
    residual: Conv2d,
    upsampler: ConvTranspose2d,
    post: Conv2d,
    output: Conv2d,
}

impl Demosaicnet {
    /// Creates an untrained network of `depth` layers with `width` channels at half the resolution.
    ///
    /// # Errors
    /// [`NetworkError`] if a number is 0 or above 65,536.
    pub fn new(width: usize, depth: usize, device: &Device) -> Result<Self, NetworkError> {
        counted(&[("width", width), ("depth", depth)])?;
        let conv = |channels: [usize; 2], side: usize| Conv2dConfig::new(channels, [side, side]);
        let layer = |i: usize| {
            let from = if i == 0 { 4 } else { width };
            let to = if i + 1 == depth { 2 * width } else { width };
            conv([from, to], 3).init(device)
        };
        Ok(Self {
            pack: conv([3, 4], 2).with_stride([2, 2]).init(device),
            layers: (0..depth).map(layer).collect(),
            residual: conv([width, 12], 1).init(device),
            upsampler: ConvTranspose2dConfig::new([12, 3], [2, 2])
                .with_stride([2, 2])
                .with_groups(3)
                .init(device),
            post: conv([6, width], 3).init(device),
            output: conv([width, 3], 1).init(device),
        })
    }

    /// Reads weights in the published layout, `bayer.pth` of the package.
    ///
    /// # Errors
    /// [`CheckpointError`] for a file that is broken or has other tensors.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let stored = Stored::open(path)?.below("main_processor.pack_mosaic.weight")?;
        let layer = |i: usize| format!("main_processor.conv{i}.weight");
        let depth = (1..65_536).take_while(|&i| stored.shape(&layer(i)).is_some());
        let depth = depth.count();
        let post = stored.shape("fullres_processor.post_conv.weight");
        let Some(width) = post.and_then(|shape| shape.first().copied()) else {
            return Err(CheckpointError::Unknown {
                path: path.into(),
                message: "not demosaicnet's layers main_processor, fullres_processor, …".into(),
            });
        };
        let network = Self::new(width, depth, device);
        let network = network.map_err(|source| unmade(path, source))?;
        load(network, &stored, &Published, Precision::Full)
    }

    /// The image `[b, 3, h, w]` of a mosaic of that shape, both in `[0, 1]`; in the mosaic, two of
    /// the three colours of a pixel are 0.
    ///
    /// The network knows the pattern `G R / B G`. `first` is the row and the column of it at which
    /// the mosaic begins: `[0, 0]`, or `[0, 1]` for `R G / G B`, `[1, 0]` for `B G / G R` and
    /// `[1, 1]` for `G B / R G`. Beyond its edges the mosaic is mirrored, which keeps the pattern.
    #[must_use]
    pub fn restore(&self, mosaic: Tensor<4>, first: [usize; 2]) -> Tensor<4> {
        let [.., h, w] = mosaic.dims();
        // A layer at half the resolution takes 2 pixels from each side, the last one 1 more.
        let lost = 2 * self.layers.len() + 1;
        let mut x = mosaic;
        for (dim, length) in [(2, h), (3, w)] {
            let before = lost + 1 + first[dim - 2] % 2;
            let whole = (before + length + lost).next_multiple_of(2);
            let places: Vec<i64> = (0..whole).map(|i| mirrored(i, before, length)).collect();
            let places = TensorData::new(places, [whole]);
            let places = Tensor::<1, Int>::from_data(places, &x.device());
            x = x.select(dim, places);
        }
        let mosaic = x.clone();
        x = self.pack.forward(x);
        for layer in &self.layers {
            x = relu(layer.forward(x));
        }
        let [_, channels, ..] = x.dims();
        let half = channels / 2;
        let masked = x.clone().narrow(1, 0, half) * x.narrow(1, half, half);
        let estimate = self.upsampler.forward(self.residual.forward(masked));
        let [.., rows, columns] = estimate.dims();
        let seen = mosaic
            .narrow(2, lost - 1, rows)
            .narrow(3, lost - 1, columns);
        let x = relu(self.post.forward(Tensor::cat(vec![seen, estimate], 1)));
        let [top, left] = first.map(|n| 1 + n % 2);
        self.output.forward(x).narrow(2, top, h).narrow(3, left, w)
    }
}

/// The pixel of an axis of `length` that is at place `i` of an axis with `before` mirrored ones.
fn mirrored(i: usize, before: usize, length: usize) -> i64 {
    let period = 2 * (length as i64 - 1).max(1);
    let place = (i as i64 - before as i64).rem_euclid(period);
    place.min(period - place).min(length as i64 - 1)
}

/// The names of the authors' package.
#[derive(Clone, Copy, Debug)]
struct Published;

impl Naming for Published {
    fn place(&self, target: &Target) -> Place {
        let parts: Vec<&str> = target.path.split('.').collect();
        let name = match parts[..] {
            ["pack", kind] => format!("main_processor.pack_mosaic.{kind}"),
            ["layers", i, kind] => {
                let i = i.parse::<usize>().unwrap_or(0) + 1;
                format!("main_processor.conv{i}.{kind}")
            }
            ["residual", kind] => format!("residual_predictor.{kind}"),
            ["post", kind] => format!("fullres_processor.post_conv.{kind}"),
            ["output", kind] => format!("fullres_processor.output.{kind}"),
            _ => target.path.clone(),
        };
        pytorch(target, &name)
    }
}
