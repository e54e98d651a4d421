//! What of an image its measurement says, and what the prior adds.
//!
//! `x = P x + (I − P) x` with `P = AᵀA (AᵀA + shift I)⁻¹`. With `shift = 0`, `P = A⁺A` projects on
//! what `A` sees, and `(I − P) x` is in its null space. A blur sees everything, but much of it
//! below its noise: with `shift = (σ_y/s)²`, for noise of deviation `σ_y` and signals of deviation
//! `s`, `P` is Wiener's gain, near 1 where the measurement decides and near 0 where the prior does.

use crate::operator::Linear;
use crate::solver::SolveError;
use burn::tensor::Tensor;

/// An image in two parts, whose sum it is.
///
/// Applied to draws from a posterior, the spread of each part says where the uncertainty comes
/// from.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::Split;
/// use tweedie_inverse::operator::Mask;
///
/// let mask = Mask::missing_box([8, 8], [0, 0], [8, 4])?;
/// let x = Tensor::<4>::ones([1, 1, 8, 8], &Device::flex());
/// let parts = Split::of(&mask, x, 0.0)?;
/// assert_eq!(parts.prior.narrow(3, 0, 4).mean().into_scalar::<f32>(), 1.0);
/// assert_eq!(parts.data.narrow(3, 4, 4).mean().into_scalar::<f32>(), 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Split<const D: usize> {
    /// `P x`, which the measurement determines.
    pub data: Tensor<D>,
    /// `(I − P) x`, which it leaves to the prior.
    pub prior: Tensor<D>,
}

impl<const D: usize> Split<D> {
    /// Splits images for an operator.
    ///
    /// # Errors
    /// [`SolveError`] for a shape that the operator does not take, a shift below 0 or not finite,
    /// or if iterations do not converge.
    pub fn of<A: Linear<D> + ?Sized>(
        operator: &A,
        x: Tensor<D>,
        shift: f64,
    ) -> Result<Self, SolveError> {
        operator.output_shape(x.dims())?;
        let seen = operator.apply(x.clone());
        let data = match shift == 0.0 {
            true => operator.pinv(seen)?.x,
            false => operator.solve(operator.adjoint(seen), shift)?.x,
        };
        let prior = x - data.clone();
        Ok(Self { data, prior })
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::operator::{CircularBlur, Operator, PointSpread, Separable};
    use burn::tensor::Device;
    use tweedie_core::{HostNoise, Noise};

    fn image(side: usize) -> Tensor<4> {
        HostNoise::seeded(4).normal([2, 1, side, side], &Device::flex())
    }

    /// Without a shift the prior's part is invisible to the operator, and the parts are orthogonal.
    #[test]
    fn the_priors_part_is_in_the_null_space() {
        let reduce = Separable::imresize([16, 16], [4, 4]).expect("an operator");
        let parts = Split::of(&reduce, image(16), 0.0).expect("parts");
        let seen = reduce.apply(parts.prior.clone());
        assert!(seen.abs().max().into_scalar::<f32>() < 1e-4);
        let product = (parts.data.clone() * parts.prior.clone()).mean();
        assert!(product.abs().into_scalar::<f32>() < 1e-4);
        let gap = parts.data + parts.prior - image(16);
        assert!(gap.abs().max().into_scalar::<f32>() < 1e-6);
    }

    /// A constant image passes a blur: its gain is `1/(1 + shift)`.
    #[test]
    fn with_a_shift_the_gain_is_that_of_wieners_filter() {
        let spread = PointSpread::gaussian(1.5).expect("a kernel");
        let blur = CircularBlur::new(spread, [16, 16]).expect("an operator");
        let ones = image(16).ones_like();
        let parts = Split::of(&blur, ones, 0.25).expect("parts");
        assert!((parts.data - 0.8).abs().max().into_scalar::<f32>() < 1e-4);
        let refused = Split::of(&blur, image(16), -1.0);
        assert!(refused.is_err());
        assert!(Split::of(&blur, image(8), 0.25).is_err());
    }
}
