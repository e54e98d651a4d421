//! Speckle of radar and laser images: `y = mean · G` with a gamma factor of mean 1.
//!
//! # Reference
//! Goodman 1976, "Some fundamental properties of speckle": intensities of `L` looks.

use super::gaussian::positive;
use super::{NoiseModel, assert_measured, draw, nonnegative, nonnegative_mean};
use crate::operator::OperatorError;
use crate::operator::error::checked;
use burn::tensor::Tensor;
use rand_distr::{Distribution, Gamma};
use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;
use tweedie_core::{Noise, per_sample_sum};

/// Multiplicative noise of `L` looks: mean `mean`, variance `mean²/L`,
/// `log p = Σ L ln L − ln Γ(L) + (L − 1) ln y − L ln mean − L y/mean`.
///
/// Below a mean of `10⁻³` the log-density continues along its tangent, so that negative estimates
/// still have a gradient. In the logarithm, measurements are clamped to at least `10⁻³`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct GammaNoise {
    looks: f64,
}

checked!(GammaNoise { looks: f64 } by GammaNoise::new);

const LEAST: f64 = 1e-3;

impl GammaNoise {
    /// Noise of `looks` looks.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless `looks` is from 10⁻¹⁸ to 10¹⁸.
    pub fn new(looks: f64) -> Result<Self, OperatorError> {
        positive("number of looks", looks)?;
        Ok(Self { looks })
    }
}

impl<const D: usize> NoiseModel<D> for GammaNoise {
    fn check(&self, mean: &Tensor<D>) -> Result<(), OperatorError> {
        nonnegative_mean("gamma noise", mean)
    }

    fn check_measured(&self, y: &Tensor<D>) -> Result<(), OperatorError> {
        nonnegative("speckle", y)
    }

    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        let l = self.looks;
        let of_y = y.clone().clamp_min(LEAST).log() * (l - 1.0) + (l * l.ln() - ln_gamma(l));
        let below = mean.clone().clamp_max(LEAST) - LEAST;
        let above = mean.clamp_min(LEAST);
        let tangent = below * (y.clone() * (1.0 / LEAST.powi(2)) - 1.0 / LEAST);
        per_sample_sum(of_y - (above.clone().log() + y / above - tangent) * l)
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        let law = Gamma::new(self.looks, 1.0 / self.looks);
        draw::each(mean, noise, |mean, random| {
            let mean = if mean < 0.0 { 0.0 } else { mean };
            // `new` has checked the number of looks, so the distribution exists.
            mean * law.map_or(1.0, |law| law.sample(random))
        })
    }
}
