//! Variance exploding, geometric: `α = 1`, `σ(t) = σ_min (σ_max/σ_min)^t`.
//!
//! `dx = σ √(2 ln(σ_max/σ_min)) dw`.
//!
//! # Reference
//! Song et al. 2021, eq. 9 and appendix C, arXiv:2011.13456, without the `−σ_min²` term: as in the
//! paper's code, the process starts at the level `σ_min`.

use super::{Rates, Schedule, ScheduleError, cut, deserialize_checked, parameter};
use crate::Level;
use serde::Serialize;

/// The variance-exploding process; the default is σ from 0.01 to 50.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct VarianceExploding {
    sigma_min: f64,
    sigma_max: f64,
}
deserialize_checked!(VarianceExploding {
    sigma_min,
    sigma_max
});

impl VarianceExploding {
    /// Returns the process with σ from `sigma_min` at `t = 0` to `sigma_max` at `t = 1`.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `0 < sigma_min < sigma_max`, both finite.
    pub fn new(sigma_min: f64, sigma_max: f64) -> Result<Self, ScheduleError> {
        let schedule = Self {
            sigma_min: parameter("sigma_min", "above 0", sigma_min, sigma_min > 0.0)?,
            sigma_max: parameter(
                "sigma_max",
                "above sigma_min",
                sigma_max,
                sigma_max > sigma_min,
            )?,
        };
        let ratio = schedule.log_ratio();
        parameter("ln(sigma_max/sigma_min)", "finite", ratio, true)?;
        Ok(schedule)
    }

    fn log_ratio(self) -> f64 {
        (self.sigma_max / self.sigma_min).ln()
    }
}

impl Default for VarianceExploding {
    fn default() -> Self {
        Self {
            sigma_min: 0.01,
            sigma_max: 50.0,
        }
    }
}

impl Schedule for VarianceExploding {
    fn level(&self, t: f64) -> Level {
        let sigma = self.sigma_min * (cut(t) * self.log_ratio()).exp();
        Level::trusted(1.0, sigma)
    }

    fn time(&self, log_snr: f64) -> f64 {
        ((-0.5 * log_snr - self.sigma_min.ln()) / self.log_ratio()).clamp(0.0, 1.0)
    }

    fn rates(&self, t: f64) -> Rates {
        Rates {
            f: 0.0,
            g2: 2.0 * self.log_ratio() * self.level(t).sigma().powi(2),
        }
    }
}
