//! A sensor: photons, then electronics, `y = gain · Poisson(mean/gain) + σ z`.
//!
//! # Reference
//! Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling and fitting for single-image
//! raw-data".

use super::gaussian::{log_density, positive};
use super::poisson::{LEAST, count, log_probability};
use super::special::{LogSum, with_slope};
use super::{NoiseModel, assert_measured, draw, nonnegative};
use crate::OperatorError;
use crate::operator::error::{checked, require};
use burn::tensor::Tensor;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, per_sample_sum};

/// Poisson and normal noise together: mean `mean`, variance `gain · mean + σ²`.
///
/// `log p = Σ ln Σ_k Poisson(k; mean/gain) N(y; gain k, σ²)`, over all counts `k` for which the normal
/// law reaches `y` within 9σ: exact to rounding where the model is not absurd, and its derivative
/// is `(E[k | y] gain/mean − 1)/gain`.
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
    /// A photon adds `gain`, the electronics noise of standard deviation `sigma`.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless both are finite and above 0 and `sigma/gain` is at most
    /// 100: with more, counts cannot be told apart and [`PoissonNoise`](super::PoissonNoise) with a
    /// larger gain, or normal noise, says the same.
    pub fn new(gain: f64, sigma: f64) -> Result<Self, OperatorError> {
        positive("gain", gain)?;
        positive("noise's σ", sigma)?;
        let ratio = sigma / gain;
        require("ratio σ/gain", ratio, "at most 100", ratio <= 100.0)?;
        Ok(Self { gain, sigma })
    }
}

impl<const D: usize> NoiseModel<D> for PoissonGaussianNoise {
    fn check(&self, mean: &Tensor<D>) -> Result<(), OperatorError> {
        nonnegative("Poisson noise", mean)
    }

    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        let lambda = mean.clone().detach() / self.gain;
        let nearest = (y.clone() / self.gain).round();
        let reach = (9.0 * self.sigma / self.gain).ceil() as i32 + 1;
        let mut sum = LogSum::empty(&lambda);
        for offset in -reach..=reach {
            let k = nearest.clone() + f64::from(offset);
            let none = k.clone().lower_elem(0.0);
            let k = k.clamp_min(0.0);
            let photons = log_probability(k.clone(), lambda.clone());
            let electronics = log_density(y.clone(), k.clone() * self.gain, self.sigma);
            let term = photons + electronics;
            let none = none.expand(term.dims());
            sum.add(term.clone().mask_fill(none, -1e30), k.expand(term.dims()));
        }
        let (value, count) = sum.finish();
        // d/dλ of ln λ, which is a tangent near 0.
        let slope = (count / lambda.clamp_min(LEAST) - 1.0) / self.gain;
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
