//! Variance preserving with any `β(t)`: `dx = −½ β(t) x dt + √β(t) dw`.
//!
//! `α = exp(−½ B)` and `σ² = 1 − α²`, with `B(t) = ∫₀ᵗ β` by Gauss's rule of five points on 256
//! intervals. It is exact for polynomials of degree 9 on each interval.
//!
//! # Reference
//! Song et al. 2021, eq. 11, arXiv:2011.13456.

use super::{Rates, Schedule, ScheduleError, cut, parameter};
use crate::Level;

/// The variance-preserving process of a function `β(t)` on `[0, 1]`.
///
/// ```
/// use tweedie_math::{FromBeta, Schedule};
///
/// // β rises like the square of the time.
/// let schedule = FromBeta::new(|t| 0.1 + 60.0 * t * t)?;
/// assert!(schedule.level(1.0).alpha() < 1e-4);
/// # Ok::<(), tweedie_math::ScheduleError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FromBeta<F> {
    beta: F,
    /// `B` at the ends of the intervals.
    integral: Vec<f64>,
}

const INTERVALS: usize = 256;

/// Nodes and weights of Gauss's rule on `[−1, 1]`.
const GAUSS: [(f64, f64); 5] = [
    (0.0, 0.568_888_888_888_888_9),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    (0.906_179_845_938_664, 0.236_926_885_056_189_08),
];

impl<F: Fn(f64) -> f64> FromBeta<F> {
    /// Integrates `β`.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `β` is finite, at least 0, and above 0 on every
    /// interval.
    pub fn new(beta: F) -> Result<Self, ScheduleError> {
        let mut integral = vec![0.0];
        let mut sum = 0.0;
        for i in 0..INTERVALS {
            let [from, to] = [i, i + 1].map(|i| i as f64 / INTERVALS as f64);
            for t in [from, 0.5 * (from + to), to] {
                let value = beta(t);
                parameter("β", "at least 0", value, value >= 0.0)?;
            }
            let part = gauss(&beta, from, to);
            sum += parameter(
                "the integral of β over an interval",
                "above 0",
                part,
                part > 0.0,
            )?;
            integral.push(sum);
        }
        Ok(Self { beta, integral })
    }

    /// `B(t) = ∫₀ᵗ β`.
    pub fn beta_integral(&self, t: f64) -> f64 {
        let place = t * INTERVALS as f64;
        let i = (place as usize).min(INTERVALS - 1);
        self.integral[i] + gauss(&self.beta, i as f64 / INTERVALS as f64, t)
    }
}

fn gauss(f: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let half = 0.5 * (to - from);
    let node = |(node, weight): &(f64, f64)| weight * f(from + half * (1.0 + node));
    half * GAUSS.iter().map(node).sum::<f64>()
}

impl<F: Fn(f64) -> f64> Schedule for FromBeta<F> {
    fn level(&self, t: f64) -> Level {
        let integral = self.beta_integral(cut(t)).max(0.0);
        Level::trusted((-0.5 * integral).exp(), (-(-integral).exp_m1()).sqrt())
    }

    fn rates(&self, t: f64) -> Rates {
        let beta = (self.beta)(cut(t));
        Rates {
            f: -0.5 * beta,
            g2: beta,
        }
    }
}
