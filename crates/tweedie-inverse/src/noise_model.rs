//! How a measurement deviates from `A x₀`.

use crate::OperatorError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, per_sample_sum};

/// A law of measurements around their noiseless value.
pub trait NoiseModel<const D: usize> {
    /// `log p(y | mean)` in nats for each sample, up to a constant: `[batch]`.
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1>;

    /// A draw of `y` around `mean`.
    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D>;
}

/// Additive noise `N(0, σ² I)`: `log p = −‖y − mean‖²/(2σ²)`. σ is stated in the range of the
/// image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaussianNoise {
    sigma: f64,
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
        per_sample_sum((mean - y).square()) * (-0.5 / self.sigma.powi(2))
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        let z = noise.normal_like(&mean);
        mean + z * self.sigma
    }
}
