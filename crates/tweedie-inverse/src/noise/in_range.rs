//! A noise model stated in one value range, for images in another.

use super::NoiseModel;
use crate::operator::OperatorError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, ValueRange};

/// A noise model with parameters for one value range, applied to images in another.
///
/// For example, photon counts start at 0, but images of diffusion models are in `[−1, 1]`. The
/// density is that in the stated range.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, ValueRange};
/// use tweedie_inverse::noise::{InRange, NoiseModel, PoissonNoise};
///
/// let photons = InRange::new(PoissonNoise::new(0.01)?, ValueRange::Unit, ValueRange::Signed);
/// let grey = Tensor::<4>::zeros([1, 1, 64, 64], &Device::flex()); // ½ of the unit range
/// let y = photons.corrupt(grey, &mut HostNoise::seeded(1));
/// assert!(y.mean().into_scalar::<f32>().abs() < 0.02);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InRange<N> {
    noise: N,
    stated: ValueRange,
    image: ValueRange,
}

impl<N> InRange<N> {
    /// Applies `noise`, with parameters for values in `stated`, to measurements in `image`.
    #[must_use]
    pub fn new(noise: N, stated: ValueRange, image: ValueRange) -> Self {
        Self {
            noise,
            stated,
            image,
        }
    }
}

impl<N> InRange<N> {
    /// Converts `x` to the stated range. Sets values below `10⁻⁶` in magnitude to 0, since they
    /// come from rounding.
    fn unrounded<const D: usize>(&self, x: &Tensor<D>) -> Tensor<D> {
        let stated = self.image.convert(self.stated, x.clone());
        let rounded = stated.clone().abs().lower_elem(1e-6);
        stated.mask_fill(rounded, 0.0)
    }
}

impl<const D: usize, N: NoiseModel<D>> NoiseModel<D> for InRange<N> {
    fn check(&self, mean: &Tensor<D>) -> Result<(), OperatorError> {
        self.noise.check(&self.unrounded(mean))
    }

    fn check_measured(&self, y: &Tensor<D>) -> Result<(), OperatorError> {
        self.noise.check_measured(&self.unrounded(y))
    }

    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        let stated = |x| self.image.convert(self.stated, x);
        self.noise.log_likelihood(stated(y), stated(mean))
    }

    fn weights(&self, y: &Tensor<D>) -> Option<Tensor<D>> {
        let convert = |x| self.image.convert(self.stated, x);
        let factor = convert(y.ones_like()) - convert(y.zeros_like());
        let weights = self.noise.weights(&self.unrounded(y))?;
        Some(weights * factor.square())
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        let y = self
            .noise
            .corrupt(self.image.convert(self.stated, mean), noise);
        self.stated.convert(self.image, y)
    }
}
