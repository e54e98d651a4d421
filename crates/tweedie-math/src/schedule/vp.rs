//! Variance preserving, linear β: `dx = −½ β(t) x dt + √β(t) dw`, `β(t) = β₀ + t (β₁ − β₀)`.
//!
//! `α = exp(−½ B)`, `σ² = 1 − α²`, with `B(t) = ∫₀ᵗ β = β₀ t + ½ (β₁ − β₀) t²`.
//!
//! # Reference
//! Song et al. 2021, eq. 11 and appendix C, arXiv:2011.13456.

use super::{Rates, Schedule, ScheduleError, cut, deserialize_checked, parameter};
use crate::Level;
use serde::Serialize;

/// The variance-preserving process with β growing linearly from `beta_min` to `beta_max`.
///
/// The default is the paper's 0.1 to 20.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct VariancePreserving {
    beta_min: f64,
    beta_max: f64,
}
deserialize_checked!(VariancePreserving { beta_min, beta_max });

impl VariancePreserving {
    /// Returns the process with β linear from `beta_min` at `t = 0` to `beta_max` at `t = 1`.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `0 ≤ beta_min` and `0 < beta_max`, both finite.
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, ScheduleError> {
        Ok(Self {
            beta_min: parameter("beta_min", "at least 0", beta_min, beta_min >= 0.0)?,
            beta_max: parameter("beta_max", "above 0", beta_max, beta_max > 0.0)?,
        })
    }

    /// `β(t)`.
    #[must_use]
    pub fn beta(self, t: f64) -> f64 {
        self.beta_min + t * (self.beta_max - self.beta_min)
    }

    /// `B(t) = ∫₀ᵗ β`.
    #[must_use]
    pub fn beta_integral(self, t: f64) -> f64 {
        t * (self.beta_min + 0.5 * t * (self.beta_max - self.beta_min))
    }

    /// Returns the `t` at which [`beta_integral`](Self::beta_integral) equals `integral`.
    pub(super) fn time_of_integral(self, integral: f64) -> f64 {
        if integral >= self.beta_integral(1.0) {
            return 1.0;
        }
        // Solve β₀ t + ½ Δ t² = B with the form of the root that stays accurate as Δ → 0.
        let slope = self.beta_max - self.beta_min;
        let root = (self.beta_min.powi(2) + 2.0 * slope * integral).max(0.0);
        let time = 2.0 * integral / (self.beta_min + root.sqrt());
        if integral > 0.0 {
            time.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

impl Default for VariancePreserving {
    fn default() -> Self {
        Self {
            beta_min: 0.1,
            beta_max: 20.0,
        }
    }
}

impl Schedule for VariancePreserving {
    fn level(&self, t: f64) -> Level {
        let integral = self.beta_integral(cut(t));
        Level::trusted((-0.5 * integral).exp(), (-(-integral).exp_m1()).sqrt())
    }

    fn time(&self, log_snr: f64) -> f64 {
        // SNR = 1/(e^B − 1), so B = ln(1 + e^{−log SNR}).
        self.time_of_integral((-log_snr).exp().ln_1p())
    }

    fn rates(&self, t: f64) -> Rates {
        let beta = self.beta(cut(t));
        Rates {
            f: -0.5 * beta,
            g2: beta,
        }
    }
}
