//! Pansharpening: a low-resolution colour image and a full-resolution grey one.

use super::{AnyLinear, ChannelMix, OperatorError, Padding, Separable, Stack, Taps};

/// Stacks a low-resolution colour image and the full-resolution mean of the colours.
///
/// Signals are images of `size` (height, width) with three channels. The colour image is reduced by
/// `factor` with a bilinear filter and circular padding.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Operator, pansharpen};
///
/// let satellite = pansharpen([32, 32], 4)?;
/// let y = satellite.apply(Tensor::ones([1, 3, 32, 32], &Device::flex()));
/// let [coarse, fine] = satellite.split(y).try_into().expect("two images");
/// assert_eq!((coarse.dims(), fine.dims()), ([1, 3, 8, 8], [1, 1, 32, 32]));
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
///
/// # Errors
/// As [`Separable::decimate`].
pub fn pansharpen(size: [usize; 2], factor: usize) -> Result<Stack<AnyLinear>, OperatorError> {
    let coarse = Separable::decimate(Taps::Bilinear, factor, size, Padding::Circular)?;
    let parts = vec![coarse.into(), ChannelMix::mean(3)?.into()];
    Stack::new(parts, [3, size[0], size[1]])
}
