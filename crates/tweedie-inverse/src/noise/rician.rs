//! The magnitude of a complex value with normal noise, as in MRI.
//!
//! # Reference
//! Gudbjartsson and Patz 1995, "The Rician distribution of noisy MRI data".

use super::gaussian::positive;
use super::special::{bessel, with_slope};
use super::{NoiseModel, assert_measured, draw, nonnegative};
use crate::operator::OperatorError;
use crate::operator::error::checked;
use burn::tensor::Tensor;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, per_sample_sum};

/// `y = √((mean + σ z₁)² + (σ z₂)²)`:
/// `log p = Σ ln(y/σ²) − (y² + mean²)/(2σ²) + ln I₀(y mean/σ²)`.
///
/// In the first logarithm, measurements are clamped to at least `10⁻⁶`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct RicianNoise {
    sigma: f64,
}

checked!(RicianNoise { sigma: f64 } by RicianNoise::new);

impl RicianNoise {
    /// Noise of standard deviation `sigma` in the real and the imaginary part.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless `sigma` is from 10⁻¹⁸ to 10¹⁸.
    pub fn new(sigma: f64) -> Result<Self, OperatorError> {
        positive("noise's σ", sigma)?;
        Ok(Self { sigma })
    }
}

impl<const D: usize> NoiseModel<D> for RicianNoise {
    fn check_measured(&self, y: &Tensor<D>) -> Result<(), OperatorError> {
        nonnegative("a magnitude", y)
    }

    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        let variance = self.sigma.powi(2);
        let still = mean.clone().detach();
        let z = still.clone() * y.clone() / variance;
        let (log, ratio) = bessel(z.clone().abs());
        // −(y² + mean²)/(2σ²) + |z|, computed without cancellation.
        let apart = (y.clone() - still.clone().abs()).square() * (-0.5 / variance);
        let value = (y.clone().clamp_min(1e-6) / variance).log() + apart + log;
        let slope = (y * ratio * z.sign() - still) / variance;
        per_sample_sum(with_slope(mean, value, slope))
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        draw::each(mean, noise, |mean, random| {
            let mut z = || -> f64 { StandardNormal.sample(random) };
            (mean + self.sigma * z()).hypot(self.sigma * z())
        })
    }
}
