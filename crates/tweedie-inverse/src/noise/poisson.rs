//! Counts of photons: `y = gain · Poisson(mean/gain)`.

use super::gaussian::positive;
use super::special::ln_factorial;
use super::{
    ApproximatePoissonNoise, NoiseModel, assert_measured, draw, nonnegative, nonnegative_mean,
};
use crate::operator::OperatorError;
use crate::operator::error::checked;
use burn::tensor::Tensor;
use rand_distr::{Distribution, Poisson};
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, per_sample_sum};

/// Poisson noise in units of the image: mean `mean`, variance `gain · mean`.
///
/// With `k = y/gain` and `λ = mean/gain`, `log p = Σ k ln λ − λ − ln k!`.
///
/// Below `λ = 10⁻³`, `ln λ` continues along its tangent, so that negative estimates still have a
/// finite density and a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct PoissonNoise {
    gain: f64,
}

checked!(PoissonNoise { gain: f64 } by PoissonNoise::new);

impl PoissonNoise {
    /// Noise in which each photon adds `gain` to the image.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless `gain` is from 10⁻¹⁸ to 10¹⁸.
    pub fn new(gain: f64) -> Result<Self, OperatorError> {
        positive("gain", gain)?;
        Ok(Self { gain })
    }

    /// The value that each photon adds to the image.
    #[must_use]
    pub fn gain(self) -> f64 {
        self.gain
    }

    /// The normal approximation with a variance estimated from the measurement, as DPS uses it.
    #[must_use]
    pub fn gaussian_approximation(self) -> ApproximatePoissonNoise {
        ApproximatePoissonNoise::of(self)
    }
}

/// `k ln λ − λ − ln k!`.
pub(super) fn log_probability<const D: usize>(k: Tensor<D>, lambda: Tensor<D>) -> Tensor<D> {
    k.clone() * log(lambda.clone()) - lambda - ln_factorial(k)
}

/// The mean below which the logarithm continues along its tangent.
pub(super) const LEAST: f64 = 1e-3;

/// `ln λ`, continued along its tangent below [`LEAST`].
fn log<const D: usize>(lambda: Tensor<D>) -> Tensor<D> {
    let below = (lambda.clone().clamp_max(LEAST) - LEAST) / LEAST;
    lambda.clamp_min(LEAST).log() + below
}

/// Draws a Poisson count with mean `lambda`.
pub(super) fn count(lambda: f64, random: &mut rand_chacha::ChaCha8Rng) -> f64 {
    match Poisson::new(lambda) {
        Ok(law) => law.sample(random),
        // A mean of 0 gives no photons. A mean that is too large for `Poisson` is returned as the
        // count.
        Err(_) if lambda <= 0.0 => 0.0,
        Err(_) => lambda,
    }
}

impl<const D: usize> NoiseModel<D> for PoissonNoise {
    fn check(&self, mean: &Tensor<D>) -> Result<(), OperatorError> {
        nonnegative_mean("Poisson noise", mean)
    }

    fn check_measured(&self, y: &Tensor<D>) -> Result<(), OperatorError> {
        nonnegative("a count of photons", y)
    }

    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        per_sample_sum(log_probability(y / self.gain, mean * (1.0 / self.gain)))
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        draw::each(mean, noise, |mean, random| {
            self.gain * count(mean / self.gain, random)
        })
    }
}
