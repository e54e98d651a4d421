//! Poisson noise with a Gaussian approximation of its likelihood: `p(y | mean) ≈ N(y; mean,
//! gain·y)`.
//!
//! # Reference
//! Chung et al. 2023 (DPS), arXiv:2209.14687: the likelihood of Poisson noise, where the gain is 1.

use super::poisson::{PoissonNoise, count};
use super::{NoiseModel, assert_measured, draw, nonnegative, nonnegative_mean};
use crate::operator::OperatorError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use tweedie_core::{Noise, per_sample_sum};

/// The normal approximation to [`PoissonNoise`].
///
/// `log p = −Σ (y − mean)²/(2v) + ½ ln(2πv)` with the variance `v = gain · max(y, gain)`: a pixel
/// without photons gets the variance of one photon. Draws are those of [`PoissonNoise`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApproximatePoissonNoise {
    photons: PoissonNoise,
}

impl ApproximatePoissonNoise {
    /// The approximation to `photons`.
    #[must_use]
    pub fn of(photons: PoissonNoise) -> Self {
        Self { photons }
    }

    fn variance<const D: usize>(&self, y: &Tensor<D>) -> Tensor<D> {
        let gain = self.photons.gain();
        y.clone().clamp_min(gain) * gain
    }
}

impl<const D: usize> NoiseModel<D> for ApproximatePoissonNoise {
    fn check(&self, mean: &Tensor<D>) -> Result<(), OperatorError> {
        nonnegative_mean("Poisson noise", mean)
    }

    fn check_measured(&self, y: &Tensor<D>) -> Result<(), OperatorError> {
        nonnegative("a count of photons", y)
    }

    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        let variance = self.variance(&y);
        let width = (variance.clone() * TAU).log() * 0.5;
        per_sample_sum(((mean - y).square() / variance * 0.5 + width).neg())
    }

    fn weights(&self, y: &Tensor<D>) -> Option<Tensor<D>> {
        Some((self.variance(y) * 2.0).recip())
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        let gain = self.photons.gain();
        draw::each(mean, noise, |mean, random| {
            gain * count(mean / gain, random)
        })
    }
}
