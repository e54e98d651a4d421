//! Rounding to multiples of a step, as an analog-to-digital converter does.

use super::gaussian::{log_density, positive};
use super::special::{LogSum, with_slope};
use super::{NoiseModel, assert_measured, draw};
use crate::operator::OperatorError;
use crate::operator::error::{checked, require};
use burn::tensor::Tensor;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tweedie_core::{Noise, ValueRange, per_sample_sum};

/// Rounding after normal noise: `y = o + Δ · round((mean − o + σ z)/Δ)`.
///
/// `o` is the origin of the grid, 0 by default. `p = Φ((y + Δ/2 − mean)/σ) − Φ((y − Δ/2 − mean)/σ)`
/// is the probability of the cell of `y`.
///
/// The normal density is integrated over the cell by Gauss–Legendre quadrature in the log domain,
/// so that a mean far from its cell still has a gradient. The noise before rounding makes the
/// density smooth: for `σ` far below `Δ` it tends to a hard constraint. The grid continues beyond
/// the range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct QuantisationNoise {
    step: f64,
    sigma: f64,
    origin: f64,
}

checked!(QuantisationNoise { step: f64, sigma: f64, origin: f64 } by QuantisationNoise::of);

impl QuantisationNoise {
    /// Rounding to multiples of `step` after normal noise of standard deviation `sigma`.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless both are from 10⁻¹⁸ to 10¹⁸ and `step/sigma` is at most
    /// 100.
    pub fn new(step: f64, sigma: f64) -> Result<Self, OperatorError> {
        Self::of(step, sigma, 0.0)
    }

    fn of(step: f64, sigma: f64, origin: f64) -> Result<Self, OperatorError> {
        positive("step", step)?;
        positive("noise's σ", sigma)?;
        let ratio = step / sigma;
        require("ratio step/σ", ratio, "at most 100", ratio <= 100.0)?;
        require("origin", origin, "finite", origin.is_finite())?;
        Ok(Self {
            step,
            sigma,
            origin,
        })
    }

    /// Rounding to `2^bits` levels from the smallest to the largest value of `range`, inclusive.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless `bits` is from 1 to 32, or as [`new`](Self::new).
    pub fn bits(bits: u32, range: ValueRange, sigma: f64) -> Result<Self, OperatorError> {
        let valid = (1..=32).contains(&bits);
        require("number of bits", bits.into(), "from 1 to 32", valid)?;
        let (low, _) = range.bounds();
        Self::of(range.length() / (f64::from(bits).exp2() - 1.0), sigma, low)
    }

    /// Quadrature nodes and weights for a cell `[−Δ/2, Δ/2]`: panels of at most 2σ, eight nodes
    /// each.
    fn nodes(self) -> Vec<(f64, f64)> {
        /// The positive nodes of the eight-point Gauss–Legendre rule, with their weights.
        const RULE: [(f64, f64); 4] = [
            (0.183_434_642_495_649_8, 0.362_683_783_378_362),
            (0.525_532_409_916_329, 0.313_706_645_877_887_3),
            (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
            (0.960_289_856_497_536_2, 0.101_228_536_290_376_26),
        ];
        let panels = (self.step / self.sigma / 2.0).ceil().max(1.0) as i32;
        let half = self.step / f64::from(panels) / 2.0;
        let panel = |i: i32| {
            let centre = half * f64::from(2 * i + 1 - panels);
            let pairs = RULE.iter().flat_map(|&(x, w)| [(x, w), (-x, w)]);
            pairs.map(move |(x, w)| (centre + half * x, half * w))
        };
        (0..panels).flat_map(panel).collect()
    }
}

impl<const D: usize> NoiseModel<D> for QuantisationNoise {
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
        assert_measured(&y, &mean);
        let still = mean.clone().detach();
        let mut sum = LogSum::empty(&still);
        for (node, weight) in self.nodes() {
            let before = y.clone() + node;
            let log = log_density(before.clone(), still.clone(), self.sigma) + weight.ln();
            sum.add(log, before - still.clone());
        }
        let (value, deviation) = sum.finish();
        per_sample_sum(with_slope(mean, value, deviation / self.sigma.powi(2)))
    }

    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
        draw::each(mean, noise, |mean, random| {
            let z: f64 = StandardNormal.sample(random);
            let cell = ((mean - self.origin + self.sigma * z) / self.step).round();
            self.origin + self.step * cell
        })
    }
}
