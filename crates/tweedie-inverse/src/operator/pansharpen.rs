//! Pansharpening: a coarse image in colour and a fine one without.

use super::{AnyLinear, ChannelMix, OperatorError, Padding, Separable, Stack, Taps};

/// Images of `size` (height, width) in three colours, seen coarse in colour (bilinear, every
/// `factor`-th pixel) and fine as the mean of the colours.
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
