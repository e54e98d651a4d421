//! Layers that two figures share.

use tweedie::burn::nn::PaddingConfig2d;
use tweedie::burn::nn::conv::{Conv2d, Conv2dConfig};
use tweedie::prelude::*;

/// A 3×3 convolution with padding 1.
pub(super) fn convolution(from: usize, to: usize, stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([from, to], [3, 3])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(device)
}

/// Every pixel as 2×2 pixels.
pub(super) fn doubled(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let x = x.reshape([b * c, h, 1, w, 1]);
    let x = x.repeat_dim(2, 2).repeat_dim(4, 2);
    x.reshape([b, c, 2 * h, 2 * w])
}
