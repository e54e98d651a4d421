//! EDM: `α = 1`, `σ(t) = t σ_max`, the time of Karras et al. in units of `σ_max`.
//!
//! `dx = √(2 σ σ′) dw`; in the coordinate `σ` the probability flow is `dx/dσ = (x − x̂₀)/σ`.
//!
//! # Reference
//! Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models",
//! table 1, arXiv:2206.00364.

use super::{Rates, Schedule, ScheduleError, Slope, cut, deserialize_checked, parameter};
use crate::Level;
use serde::Serialize;

/// The EDM process; the default is `σ_max = 80`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Edm {
    sigma_max: f64,
}
deserialize_checked!(Edm { sigma_max });

impl Edm {
    /// Returns the process with σ rising linearly from 0 at `t = 0` to `sigma_max` at `t = 1`.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `sigma_max` is finite and above 0.
    pub fn new(sigma_max: f64) -> Result<Self, ScheduleError> {
        Ok(Self {
            sigma_max: parameter("sigma_max", "above 0", sigma_max, sigma_max > 0.0)?,
        })
    }
}

impl Default for Edm {
    fn default() -> Self {
        Self { sigma_max: 80.0 }
    }
}

impl Schedule for Edm {
    fn level(&self, t: f64) -> Level {
        Level::trusted(1.0, cut(t) * self.sigma_max)
    }

    fn time(&self, log_snr: f64) -> f64 {
        ((-0.5 * log_snr).exp() / self.sigma_max).clamp(0.0, 1.0)
    }

    fn rates(&self, t: f64) -> Rates {
        Rates {
            f: 0.0,
            g2: 2.0 * cut(t) * self.sigma_max.powi(2),
        }
    }

    fn slope(&self, _: f64) -> Slope {
        Slope {
            alpha: 0.0,
            sigma: self.sigma_max,
        }
    }
}
