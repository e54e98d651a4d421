//! Additive uniform noise: `y = mean + U(−a, a)`.

use super::gaussian::positive;
use super::{NoiseModel, assert_measured, draw};
use crate::operator::OperatorError;
use crate::operator::error::checked;
use crate::operator::unit;
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, ValueRange, per_sample_sum};

/// `log p = −n ln(2a)` if every value is within `a` of its mean, else `−∞`.
///
/// This is a constraint without a gradient. Deviations that exceed `a` only by rounding count as
/// within.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct UniformNoise {
    amplitude: f64,
}

checked!(UniformNoise { amplitude: f64 } by UniformNoise::new);

impl UniformNoise {
    /// Noise of at most `amplitude`; its standard deviation is `amplitude/√3`.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless `amplitude` is from 10⁻¹⁸ to 10¹⁸.
    pub fn new(amplitude: f64) -> Result<Self, OperatorError> {
        positive("amplitude", amplitude)?;
        Ok(Self { amplitude })
    }

    /// The same noise for images converted from one range to another.
    #[must_use]
    pub fn converted(self, from: ValueRange, to: ValueRange) -> Self {
        Self {
            amplitude: from.sigma_in(to, self.amplitude),
        }
    }
}

impl<const D: usize> NoiseModel<D> for UniformNoise {
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        let rounding = match mean.dtype() {
            DType::F64 => 4.0 * f64::EPSILON,
            DType::F32 => 4.0 * f64::from(f32::EPSILON),
            _ => 0.01,
        };
        let largest = mean.clone().abs().max_pair(y.clone().abs());
        let distance = (mean - y).abs();
        let within = distance
            .clone()
            .lower_equal(largest * rounding + self.amplitude);
        let density = distance.full_like(-(2.0 * self.amplitude).ln());
        per_sample_sum(density.mask_fill(within.bool_not(), f64::NEG_INFINITY))
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        draw::each(mean, noise, |mean, random| {
            mean + self.amplitude * (2.0 * unit(random) - 1.0)
        })
    }
}
