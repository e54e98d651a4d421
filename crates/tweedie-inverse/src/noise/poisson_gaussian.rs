//! Sensor noise, photons plus electronics: `y = gain · Poisson(mean/gain) + σ z`.
//!
//! # Reference
//! Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling and fitting for single-image
//! raw-data".

use super::gaussian::{log_density, positive};
use super::poisson::{LEAST, count};
use super::special::{LogSum, ln_factorial, with_slope};
use super::{NoiseModel, assert_measured, draw, nonnegative_mean};
use crate::operator::OperatorError;
use crate::operator::error::{checked, require};
use burn::tensor::Tensor;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, per_sample_sum};

/// Poisson plus normal noise: mean `mean`, variance `gain · mean + σ²`.
///
/// `log p = Σ ln Σ_k Poisson(k; mean/gain) N(y; gain k, σ²)`, over the counts within `9 σ/gain` of
/// the most likely one. The other terms are negligible, since given `y` the standard deviation of
/// `k` is at most `σ/gain`. The derivative is `(E[k | y] gain/mean − 1)/gain`. Means are clamped to
/// at least `10⁻³ gain`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct PoissonGaussianNoise {
    gain: f64,
    sigma: f64,
}

checked!(PoissonGaussianNoise {
    gain: f64,
    sigma: f64
} by PoissonGaussianNoise::new);

impl PoissonGaussianNoise {
    /// Each photon adds `gain`; the electronics add noise of standard deviation `sigma`.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless both are from 10⁻¹⁸ to 10¹⁸ and `sigma/gain` is at most
    /// 100. Beyond that, single counts cannot be distinguished: use
    /// [`PoissonNoise`](super::PoissonNoise) with a larger gain, or normal noise.
    pub fn new(gain: f64, sigma: f64) -> Result<Self, OperatorError> {
        positive("gain", gain)?;
        positive("noise's σ", sigma)?;
        let ratio = sigma / gain;
        require("ratio σ/gain", ratio, "at most 100", ratio <= 100.0)?;
        Ok(Self { gain, sigma })
    }
}

/// The most likely count `k` given a measurement of `seen` photons, rounded.
///
/// It is the root of `ln(λ/k) + (seen − k)/s²`, by Newton's method in `ln k`, which converges from
/// above.
fn most_likely<const D: usize>(seen: Tensor<D>, lambda: Tensor<D>, spread: f64) -> Tensor<D> {
    const ROUNDS: usize = 12;
    let rate = lambda.clone().log();
    let mut log = lambda.max_pair(seen.clone()).log();
    for _ in 0..ROUNDS {
        let pull = log.clone().exp() / spread.powi(2);
        let excess = rate.clone() - log.clone() + seen.clone() / spread.powi(2) - pull.clone();
        log = log + excess / (pull + 1.0);
    }
    log.exp().round()
}

impl<const D: usize> NoiseModel<D> for PoissonGaussianNoise {
    fn check(&self, mean: &Tensor<D>) -> Result<(), OperatorError> {
        nonnegative_mean("Poisson noise", mean)
    }

    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        let lambda = (mean.clone().detach() / self.gain).clamp_min(LEAST);
        let spread = self.sigma / self.gain;
        let reach = (9.0 * spread).ceil() as i32 + 1;
        let centre = most_likely(y.clone() / self.gain, lambda.clone(), spread);
        let mut k = (centre - f64::from(reach)).clamp_min(0.0);
        let mut factorial = ln_factorial(k.clone());
        let rate = lambda.clone().log();
        let mut sum = LogSum::empty(&lambda);
        for _ in 0..=2 * reach {
            let photons = k.clone() * rate.clone() - lambda.clone() - factorial.clone();
            let electronics = log_density(y.clone(), k.clone() * self.gain, self.sigma);
            sum.add(photons + electronics, k.clone());
            k = k + 1.0;
            factorial = factorial + k.clone().log();
        }
        let (value, count) = sum.finish();
        let slope = (count / lambda - 1.0) / self.gain;
        per_sample_sum(with_slope(mean, value, slope))
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        draw::each(mean, noise, |mean, random| {
            let photons = self.gain * count(mean / self.gain, random);
            let z: f64 = StandardNormal.sample(random);
            photons + self.sigma * z
        })
    }
}
