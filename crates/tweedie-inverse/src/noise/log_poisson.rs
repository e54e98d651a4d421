//! The logarithm of photon counts, as a CT scanner reports it.
//!
//! # Reference
//! Beer and Lambert's law; Fu et al. 2017, "Comparison between pre-log and post-log statistical
//! models in ultra-low-dose CT".

use super::gaussian::positive;
use super::poisson::{count, log_probability};
use super::{NoiseModel, assert_measured, draw};
use crate::operator::OperatorError;
use crate::operator::error::checked;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, per_sample_sum};

/// `y = −ln(k/N₀)/μ` with `k ~ Poisson(N₀ e^{−μ mean})`.
///
/// `N₀` is the number of incident photons, and `mean` the attenuation along a ray in units of
/// `1/μ`. A count of 0 is reported as 1, so that `k = 1` has the probability of both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct LogPoissonNoise {
    photons: f64,
    mu: f64,
}

checked!(LogPoissonNoise {
    photons: f64,
    mu: f64
} by LogPoissonNoise::new);

impl LogPoissonNoise {
    /// Noise of `photons` incident photons (`N₀`) and the scale `mu` of the attenuation.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless both are from 10⁻¹⁸ to 10¹⁸.
    pub fn new(photons: f64, mu: f64) -> Result<Self, OperatorError> {
        positive("number of photons", photons)?;
        positive("μ", mu)?;
        Ok(Self { photons, mu })
    }
}

impl<const D: usize> NoiseModel<D> for LogPoissonNoise {
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        let counts = |x: Tensor<D>| (x * -self.mu).exp() * self.photons;
        let (k, lambda) = (counts(y), counts(mean));
        let each = log_probability(k.clone(), lambda.clone());
        // A count of 0 or 1 has the probability e^{−λ} (λ + 1).
        let few = (lambda.clone() + 1.0).log() - lambda;
        let is_few = k.lower_elem(1.5).expand(few.dims());
        per_sample_sum(each.mask_where(is_few, few))
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        draw::each(mean, noise, |mean, random| {
            let counted = count(self.photons * (-self.mu * mean).exp(), random).max(1.0);
            -(counted / self.photons).ln() / self.mu
        })
    }
}
