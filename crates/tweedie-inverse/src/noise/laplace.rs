//! Additive Laplace noise: many small deviations and a few large ones.

use super::gaussian::positive;
use super::{NoiseModel, assert_measured, draw};
use crate::operator::OperatorError;
use crate::operator::error::checked;
use crate::operator::unit;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, ValueRange, per_sample_sum};

/// `log p = −Σ |y − mean|/b − n ln(2b)`; the standard deviation is `√2 b`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct LaplaceNoise {
    scale: f64,
}

checked!(LaplaceNoise { scale: f64 } by LaplaceNoise::new);

impl LaplaceNoise {
    /// Noise of scale `b`.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless `scale` is from 10⁻¹⁸ to 10¹⁸.
    pub fn new(scale: f64) -> Result<Self, OperatorError> {
        positive("scale", scale)?;
        Ok(Self { scale })
    }

    /// The same noise for images converted from one range to another.
    #[must_use]
    pub fn converted(self, from: ValueRange, to: ValueRange) -> Self {
        Self {
            scale: from.sigma_in(to, self.scale),
        }
    }
}

impl<const D: usize> NoiseModel<D> for LaplaceNoise {
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        per_sample_sum((mean - y).abs() * (-1.0 / self.scale) - (2.0 * self.scale).ln())
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        draw::each(mean, noise, |mean, random| {
            let u = unit(random) - 0.5;
            mean - self.scale * u.signum() * (1.0 - 2.0 * u.abs()).max(f64::MIN_POSITIVE).ln()
        })
    }
}
