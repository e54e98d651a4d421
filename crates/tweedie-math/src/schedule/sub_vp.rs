//! Sub-variance preserving: the drift of [`VariancePreserving`] with less noise.
//!
//! `dx = −½ β x dt + √(β (1 − e^{−2B})) dw`, hence `α = exp(−½ B)` and `σ = 1 − α²`.
//!
//! # Reference
//! Song et al. 2021, eq. 12 and appendix C, arXiv:2011.13456.

use super::{Rates, Schedule, ScheduleError, Slope, VariancePreserving, cut, deserialize_checked};
use crate::Level;
use serde::Serialize;

/// The sub-VP process; its variance never exceeds that of [`VariancePreserving`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SubVariancePreserving {
    drift: VariancePreserving,
}
deserialize_checked!(SubVariancePreserving { beta_min, beta_max });

impl SubVariancePreserving {
    /// Returns the process with β linear from `beta_min` at `t = 0` to `beta_max` at `t = 1`.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `0 ≤ beta_min` and `0 < beta_max`, both finite.
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, ScheduleError> {
        Ok(Self {
            drift: VariancePreserving::new(beta_min, beta_max)?,
        })
    }
}

impl Schedule for SubVariancePreserving {
    fn level(&self, t: f64) -> Level {
        let integral = self.drift.beta_integral(cut(t));
        Level::trusted((-0.5 * integral).exp(), -(-integral).exp_m1())
    }

    fn time(&self, log_snr: f64) -> f64 {
        // α/σ = 1/(2 sinh(B/2)), so B = 2 asinh(½ e^{−½ log SNR}).
        self.drift
            .time_of_integral(2.0 * (0.5 * (-0.5 * log_snr).exp()).asinh())
    }

    fn rates(&self, t: f64) -> Rates {
        let t = cut(t);
        let beta = self.drift.beta(t);
        Rates {
            f: -0.5 * beta,
            g2: -beta * (-2.0 * self.drift.beta_integral(t)).exp_m1(),
        }
    }

    fn slope(&self, t: f64) -> Slope {
        // σ = 1 − e^{−B}.
        let (beta, alpha) = (self.drift.beta(cut(t)), self.level(t).alpha());
        Slope {
            alpha: -0.5 * beta * alpha,
            sigma: beta * alpha * alpha,
        }
    }
}
