//! Ornstein–Uhlenbeck: `dx = −x dτ + √2 dw` for `τ ∈ [0, T]`, with `τ = T t`.
//!
//! `α = e^{−τ}`, `σ² = 1 − e^{−2τ}`: variance preserving with `β ≡ 2` in the time `τ`.
//!
//! # Reference
//! De Bortoli et al. 2021, "Diffusion Schrödinger Bridge", section 2, arXiv:2106.01357.

use super::{Rates, Schedule, ScheduleError, cut, deserialize_checked, parameter};
use crate::Level;
use serde::Serialize;

/// The Ornstein–Uhlenbeck process up to the horizon `T`; the default is `T = 5`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OrnsteinUhlenbeck {
    horizon: f64,
}
deserialize_checked!(OrnsteinUhlenbeck { horizon });

impl OrnsteinUhlenbeck {
    /// Returns the process that runs for `horizon` units of time.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `horizon` is finite and above 0.
    pub fn new(horizon: f64) -> Result<Self, ScheduleError> {
        Ok(Self {
            horizon: parameter("horizon", "above 0", horizon, horizon > 0.0)?,
        })
    }
}

impl Default for OrnsteinUhlenbeck {
    fn default() -> Self {
        Self { horizon: 5.0 }
    }
}

impl Schedule for OrnsteinUhlenbeck {
    fn level(&self, t: f64) -> Level {
        let tau = self.horizon * cut(t);
        Level::trusted((-tau).exp(), (-(-2.0 * tau).exp_m1()).sqrt())
    }

    fn time(&self, log_snr: f64) -> f64 {
        // SNR = 1/(e^{2τ} − 1).
        (0.5 * (-log_snr).exp().ln_1p() / self.horizon).clamp(0.0, 1.0)
    }

    fn rates(&self, _: f64) -> Rates {
        Rates {
            f: -self.horizon,
            g2: 2.0 * self.horizon,
        }
    }
}
