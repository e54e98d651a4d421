//! How a measurement deviates from `A x₀`.

use crate::OperatorError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, per_sample_sum};

/// A law of measurements around their noiseless value.
pub trait NoiseModel<const D: usize> {
    /// `log p(y | mean)` in nats for each sample, up to a constant: `[batch]`.
    ///
    /// # Panics
    /// If `y` has neither the shape of `mean` nor that of one of its samples.
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1>;

    /// A draw of `y` around `mean`.
    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D>;
}

/// Additive noise `N(0, σ² I)`: `log p = −‖y − mean‖²/(2σ²)`. σ is stated in the range of the
/// image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct GaussianNoise {
    sigma: f64,
}

#[derive(Deserialize)]
struct Raw {
    sigma: f64,
}

impl TryFrom<Raw> for GaussianNoise {
    type Error = OperatorError;

    fn try_from(raw: Raw) -> Result<Self, OperatorError> {
        Self::new(raw.sigma)
    }
}

impl GaussianNoise {
    /// Noise of standard deviation `sigma`.
    ///
    /// # Errors
    /// [`OperatorError::Sigma`] unless `sigma` is finite and above 0.
    pub fn new(sigma: f64) -> Result<Self, OperatorError> {
        if sigma > 0.0 && sigma.is_finite() {
            Ok(Self { sigma })
        } else {
            Err(OperatorError::Sigma { sigma })
        }
    }

    /// The standard deviation.
    #[must_use]
    pub fn sigma(self) -> f64 {
        self.sigma
    }
}

impl<const D: usize> NoiseModel<D> for GaussianNoise {
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        per_sample_sum((mean - y).square()) * (-0.5 / self.sigma.powi(2))
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        let z = noise.normal_like(&mean);
        mean + z * self.sigma
    }
}

/// A measurement has the shape of what it is compared with, or is one for the whole batch.
pub(crate) fn assert_measured<const D: usize>(y: &Tensor<D>, mean: &Tensor<D>) {
    let (found, expected) = (y.dims(), mean.dims());
    assert!(
        found[1..] == expected[1..] && (found[0] == 1 || found[0] == expected[0]),
        "a measurement of shape {found:?} for a batch of shape {expected:?}"
    );
}
