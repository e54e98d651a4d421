//! Brownian motion from the data: `x_t = x₀ + w_τ` with `τ = T t`, so `α = 1`, `σ² = T t`.
//!
//! In the time `τ` the process is `dx = dw`, and its density solves the heat equation
//! `∂_τ p = ½ Δp`.
//!
//! # Reference
//! Einstein 1905; Galerne 2025, "Diffusion models" (lecture), the variance-exploding process.

use super::{Rates, Schedule, ScheduleError, cut, deserialize_checked, parameter};
use crate::Level;
use serde::Serialize;

/// Brownian motion; the default ends at variance 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Brownian {
    variance: f64,
}
deserialize_checked!(Brownian { variance });

impl Brownian {
    /// Ends with noise of this variance, `T`.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless the variance is finite and above 0.
    pub fn new(variance: f64) -> Result<Self, ScheduleError> {
        let variance = parameter("variance", "above 0", variance, variance > 0.0)?;
        Ok(Self { variance })
    }
}

impl Default for Brownian {
    fn default() -> Self {
        Self { variance: 1.0 }
    }
}

impl Schedule for Brownian {
    fn level(&self, t: f64) -> Level {
        Level::trusted(1.0, (self.variance * cut(t)).sqrt())
    }

    fn time(&self, log_snr: f64) -> f64 {
        ((-log_snr).exp() / self.variance).clamp(0.0, 1.0)
    }

    fn rates(&self, t: f64) -> Rates {
        cut(t);
        Rates {
            f: 0.0,
            g2: self.variance,
        }
    }
}
