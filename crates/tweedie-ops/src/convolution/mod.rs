//! Two-dimensional convolution.
//!
//! `y[o, p] = Σ_{i, t} w[o, i, t] x[i, s p + t − pad]`. On burn's CPU backend, in `f32`, a 3×3
//! kernel with stride 1 uses Winograd's `F(4×4, 3×3)`, a quarter of the multiplications, where that
//! saves time. All others use the direct algorithm. The gradients do likewise.
//!
//! For an image and its gradient, the choice depends on the shapes of one image and of the weights,
//! never on the batch size. Each image therefore gets the same bits in a batch of any size. On
//! GPUs, in `f32` and half precision, the convolution is a product of matrices, see `device.rs`.
//! Unequal strides, and padding as wide as the kernel or wider, use burn's convolution. In
//! Winograd's algorithm an input value that is not finite spoils whole tiles of 4×4 pixels.
//!
//! # Reference
//! Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", arXiv:1509.09308.

#[cfg(feature = "cube")]
mod block;
#[cfg(feature = "cube")]
mod device;
#[cfg(feature = "cube")]
mod device_gradient;
#[cfg(feature = "flex")]
mod direct;
#[cfg(feature = "flex")]
mod direct_gradient;
#[cfg(any(feature = "flex", feature = "cube"))]
mod extension;
#[cfg(feature = "flex")]
mod host;
#[cfg(feature = "flex")]
mod tiles;
#[cfg(feature = "flex")]
mod transform;
#[cfg(feature = "flex")]
mod weights;
#[cfg(feature = "flex")]
mod winograd;
#[cfg(feature = "flex")]
mod winograd_gradient;

use burn::tensor::Tensor;
use burn::tensor::module;
use burn::tensor::ops::ConvOptions;

/// Strides and zero padding of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Zero padding above and below, then to the left and to the right.
    pub padding: [(usize, usize); 2],
}

impl ConvGeometry {
    fn options(self) -> ConvOptions<2> {
        ConvOptions::new_with_padding(self.stride, self.padding, [1, 1], 1)
    }

    /// Height and width of the output.
    #[cfg(any(feature = "flex", feature = "cube"))]
    fn size(self, [h, w]: [usize; 2], [kh, kw]: [usize; 2]) -> [usize; 2] {
        let [(top, bottom), (left, right)] = self.padding;
        let [down, across] = self.stride;
        [
            (h + top + bottom - kh) / down + 1,
            (w + left + right - kw) / across + 1,
        ]
    }
}

/// Convolves `[b, i, h, w]` with `weight` `[o, i, kh, kw]` and adds `bias` `[o]`.
///
/// # Panics
/// If images and weights differ in their input channels, if the bias has another length, if a
/// stride is 0, or if the kernel is larger than the padded image.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::{ConvGeometry, conv2d};
///
/// let device = Device::flex();
/// let window = ConvGeometry { stride: [1, 1], padding: [(1, 1), (1, 1)] };
/// let (x, w) = (Tensor::<4>::ones([1, 16, 8, 8], &device), Tensor::ones([1, 16, 3, 3], &device));
/// let y = conv2d(x, w, None, window);
/// // In the middle the kernel covers 9 taps of 16 channels, in a corner 4.
/// assert!((y.clone().slice([0..1, 0..1, 3..4, 3..4]).into_scalar::<f32>() - 144.0).abs() < 1e-3);
/// assert!((y.slice([0..1, 0..1, 0..1, 0..1]).into_scalar::<f32>() - 64.0).abs() < 1e-3);
/// ```
#[must_use]
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    window: ConvGeometry,
) -> Tensor<4> {
    let ([_, channels, h, w], [out, from, kh, kw]) = (x.dims(), weight.dims());
    if let Some(bias) = &bias {
        assert_eq!(bias.dims(), [out], "conv2d: a bias for {out} channels");
    }
    let [(top, bottom), (left, right)] = window.padding;
    assert!(
        channels == from && kh <= h + top + bottom && kw <= w + left + right,
        "conv2d: weights {:?} for images {:?} in {window:?}",
        weight.dims(),
        x.dims()
    );
    assert!(!window.stride.contains(&0), "conv2d: a stride of 0");
    #[cfg(any(feature = "flex", feature = "cube"))]
    if extension::takes(&x, &weight, bias.as_ref(), window) {
        return extension::convolve(x, weight, bias, window);
    }
    module::conv2d(x, weight, bias, window.options())
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;
