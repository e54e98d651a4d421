//! Halving and doubling a feature map.

use crate::convolution::Conv2d;
use crate::resblock::conv3x3;
use burn::module::Module;
use burn::tensor::module::{avg_pool2d, conv_transpose2d, conv2d, interpolate};
use burn::tensor::ops::{
    AvgPoolOptions, ConvOptions, ConvTransposeOptions, InterpolateMode, InterpolateOptions,
};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// A 3×3 convolution of stride 2.
///
/// Padded by one pixel on every side, the layer maps `h` rows to `⌈h/2⌉`. Padded on the right and
/// below only, as in the original DDPM, it maps them to `⌊h/2⌋`.
#[derive(Module, Debug)]
pub struct Downsample {
    pub(crate) conv: Conv2d,
}

impl Downsample {
    /// Creates the layer for `channels` channels; `symmetric` pads every side.
    #[must_use]
    pub fn new(channels: usize, symmetric: bool, device: &Device) -> Self {
        let before = usize::from(symmetric);
        let padding = [(before, 1), (before, 1)];
        let conv = conv3x3(channels, channels).with_stride([2, 2]);
        Self {
            conv: conv.with_padding(padding).init(device),
        }
    }

    /// Halves height and width.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv.forward(x)
    }
}

/// Nearest-neighbour enlargement, then a 3×3 convolution.
#[derive(Module, Debug)]
pub struct Upsample {
    pub(crate) conv: Conv2d,
}

impl Upsample {
    /// Creates the layer for `channels` channels.
    #[must_use]
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            conv: conv3x3(channels, channels).init(device),
        }
    }

    /// Enlarges to `size`, the height and width before halving.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        self.conv.forward(Filter::Box.enlarge(x, size))
    }
}

/// The filter of a parameter-free resampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Filter {
    /// Halves by the mean of 2×2 pixels, enlarges by nearest neighbour.
    Box,
    /// The separable filter `(1, 3, 3, 1)/8` of NCSN++.
    Fir,
}

impl Filter {
    /// Maps `[b, c, h, w]` to `[b, c, ⌊h/2⌋, ⌊w/2⌋]`.
    #[must_use]
    pub fn halve(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Box => avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([2, 2])),
            Self::Fir => {
                let channels = x.dims()[1];
                let weight = fir(&x, 1.0);
                conv2d(
                    x,
                    weight,
                    None,
                    ConvOptions::new([2, 2], [1, 1], [1, 1], channels),
                )
            }
        }
    }

    /// Enlarges `[b, c, h, w]` to `size`, the height and width before halving.
    ///
    /// # Panics
    /// For [`Fir`](Self::Fir), if `size` is not twice the size of `x`.
    #[must_use]
    pub fn enlarge(self, x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        let [_, channels, h, w] = x.dims();
        match self {
            Self::Box => {
                let options = InterpolateOptions::new(InterpolateMode::Nearest);
                interpolate(x, options.with_output_size(size).with_align_corners(false))
            }
            Self::Fir => {
                assert_eq!([2 * h, 2 * w], size, "FIR resampling of an odd size");
                let weight = fir(&x, 4.0);
                let options = ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], channels);
                conv_transpose2d(x, weight, None, options)
            }
        }
    }
}

/// The FIR filter as a depthwise weight, `[channels, 1, 4, 4]`; each channel sums to `gain`.
fn fir(like: &Tensor<4>, gain: f64) -> Tensor<4> {
    let taps = [1.0, 3.0, 3.0, 1.0].map(|tap: f64| tap / 8.0);
    let weight: Vec<f64> = taps
        .iter()
        .flat_map(|row| taps.map(|column| gain * row * column))
        .collect();
    let weight = TensorData::new(weight, [1, 1, 4, 4]);
    Tensor::<4>::from_data(weight, (&like.device(), like.dtype())).repeat_dim(0, like.dims()[1])
}
