//! Additive normal noise: `y = mean + σ z`.

use super::{NoiseModel, assert_measured};
use crate::operator::OperatorError;
use crate::operator::error::checked;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use tweedie_core::{Noise, ValueRange, per_sample_sum};

/// `N(mean, σ² I)`: `log p = −‖y − mean‖²/(2σ²) − n/2 ln(2πσ²)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct GaussianNoise {
    sigma: f64,
}

checked!(GaussianNoise { sigma: f64 } by GaussianNoise::new);

impl GaussianNoise {
    /// Noise of standard deviation `sigma`.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless `sigma` is from 10⁻¹⁸ to 10¹⁸, so that its square is
    /// representable in single precision.
    pub fn new(sigma: f64) -> Result<Self, OperatorError> {
        positive("noise's σ", sigma)?;
        Ok(Self { sigma })
    }

    /// The standard deviation.
    #[must_use]
    pub fn sigma(self) -> f64 {
        self.sigma
    }

    /// The same noise for images converted from one range to another; σ is converted too.
    ///
    /// ```
    /// use tweedie_core::ValueRange;
    /// use tweedie_inverse::noise::GaussianNoise;
    ///
    /// let noise = GaussianNoise::new(0.05)?.converted(ValueRange::Unit, ValueRange::Signed);
    /// assert_eq!(noise.sigma(), 0.1);
    /// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
    /// ```
    #[must_use]
    pub fn converted(self, from: ValueRange, to: ValueRange) -> Self {
        Self {
            sigma: from.sigma_in(to, self.sigma),
        }
    }
}

/// `Ok` if the square of a parameter, and its inverse, are representable in single precision.
pub(super) fn positive(parameter: &'static str, value: f64) -> Result<(), OperatorError> {
    let holds = (1e-18..=1e18).contains(&value);
    crate::operator::error::require(parameter, value, "above 0, from 1e-18 to 1e18", holds)
}

/// `log N(y; mean, σ²)` of every value.
pub(super) fn log_density<const D: usize>(y: Tensor<D>, mean: Tensor<D>, sigma: f64) -> Tensor<D> {
    (mean - y).square() * (-0.5 / sigma.powi(2)) - 0.5 * (TAU * sigma.powi(2)).ln()
}

impl<const D: usize> NoiseModel<D> for GaussianNoise {
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        per_sample_sum(log_density(y, mean, self.sigma))
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        let z = noise.normal_like(&mean);
        mean + z * self.sigma
    }
}
