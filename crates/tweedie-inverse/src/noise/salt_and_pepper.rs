//! Impulse noise: some pixels become white, some black, and the others stay (almost) intact.

use super::gaussian::{log_density, positive};
use super::{NoiseModel, assert_measured, draw};
use crate::operator::OperatorError;
use crate::operator::error::{checked, require};
use crate::operator::unit;
use burn::tensor::Tensor;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, ValueRange, per_sample_sum};

/// Replaces values by the largest (`salt`) or smallest (`pepper`) value of the range.
///
/// A value is replaced with these probabilities, and is `mean + σ z` otherwise.
///
/// A measured value at an end of the range counts as an impulse, with the log-probability `ln salt`
/// or `ln pepper` and no dependence on the mean. This includes intact values that are exactly at
/// that end. The density of any other value is `(1 − salt − pepper) N(y; mean, σ²)`. With σ at the
/// level of rounding, this is the textbook model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct SaltAndPepper {
    salt: f64,
    pepper: f64,
    sigma: f64,
    range: ValueRange,
}

checked!(SaltAndPepper {
    salt: f64,
    pepper: f64,
    sigma: f64,
    range: ValueRange
} by SaltAndPepper::new);

impl SaltAndPepper {
    /// Impulses of probabilities `salt` and `pepper`, with normal noise `sigma` on all other
    /// values.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a probability below 0, a sum of 1 or more (no value would
    /// stay intact), or a σ that is not from 10⁻¹⁸ to 10¹⁸.
    pub fn new(
        salt: f64,
        pepper: f64,
        sigma: f64,
        range: ValueRange,
    ) -> Result<Self, OperatorError> {
        for (what, value) in [("share of salt", salt), ("share of pepper", pepper)] {
            require(
                what,
                value,
                "at least 0 and below 1",
                (0.0..1.0).contains(&value),
            )?;
        }
        let sum = salt + pepper;
        require("share of salt and pepper", sum, "below 1", sum < 1.0)?;
        positive("noise's σ", sigma)?;
        Ok(Self {
            salt,
            pepper,
            sigma,
            range,
        })
    }
}

impl<const D: usize> NoiseModel<D> for SaltAndPepper {
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        let (low, high) = self.range.bounds();
        let intact = (1.0 - self.salt - self.pepper).ln();
        let density = log_density(y.clone(), mean, self.sigma) + intact;
        let shape = density.dims();
        let mut scored = density;
        for (end, share) in [(high, self.salt), (low, self.pepper)] {
            if share > 0.0 {
                let impulse = y.clone().equal_elem(end).expand(shape);
                scored = scored.mask_fill(impulse, share.ln());
            }
        }
        per_sample_sum(scored)
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        let (low, high) = self.range.bounds();
        draw::each(mean, noise, |mean, random| {
            let (chance, z): (f64, f64) = (unit(random), StandardNormal.sample(random));
            if chance < self.salt {
                high
            } else if chance < self.salt + self.pepper {
                low
            } else {
                mean + self.sigma * z
            }
        })
    }
}
