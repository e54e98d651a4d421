//! Halving and doubling a feature map with a convolution.

use crate::resblock::conv3x3;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, module::interpolate};

/// A 3×3 convolution of stride 2: `[b, c, h, w]` to `[b, c, ⌈h/2⌉, ⌈w/2⌉]`.
#[derive(Module, Debug)]
pub struct Downsample {
    conv: Conv2d,
}

impl Downsample {
    /// On `channels`.
    #[must_use]
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            conv: conv3x3(channels, channels).with_stride([2, 2]).init(device),
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
    conv: Conv2d,
}

impl Upsample {
    /// On `channels`.
    #[must_use]
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            conv: conv3x3(channels, channels).init(device),
        }
    }

    /// Enlarges to `size`, the height and width that were halved.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let doubled = InterpolateOptions::new(InterpolateMode::Nearest)
            .with_output_size([2 * h, 2 * w])
            .with_align_corners(false);
        let x = interpolate(x, doubled);
        // ⌈h/2⌉ doubled is one too many for odd h.
        self.conv
            .forward(x.narrow(2, 0, size[0]).narrow(3, 0, size[1]))
    }
}
