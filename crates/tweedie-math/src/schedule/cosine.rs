//! Cosine: `ᾱ(t) = cos²(a(t)) / cos²(a(0))` with `a(t) = (t + s)/(1 + s) · π/2`.
//!
//! `α = √ᾱ`, `σ = √(1 − ᾱ)`; `t = 1` is pure noise.
//!
//! # Reference
//! Nichol & Dhariwal 2021, "Improved DDPM", eq. 17, arXiv:2102.09672.

use super::{Rates, Schedule, ScheduleError, Slope, cut, deserialize_checked, parameter};
use crate::Level;
use serde::Serialize;
use std::f64::consts::FRAC_PI_2;

/// The cosine schedule; the default offset is the paper's `s = 0.008`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cosine {
    offset: f64,
}
deserialize_checked!(Cosine { offset });

impl Cosine {
    /// The cosine schedule with offset `s`.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `offset` is within `[0, 1000]`.
    pub fn new(offset: f64) -> Result<Self, ScheduleError> {
        Ok(Self {
            // For larger offsets ᾱ is a difference of cosines near 0 and loses precision.
            offset: parameter(
                "offset",
                "within [0, 1000]",
                offset,
                (0.0..=1e3).contains(&offset),
            )?,
        })
    }

    /// `a(0)`.
    fn first_angle(self) -> f64 {
        self.offset / (1.0 + self.offset) * FRAC_PI_2
    }

    /// Returns `a(t)` and its complement `π/2 − a(t)`, which is exactly 0 at `t = 1`.
    fn angles(self, t: f64) -> (f64, f64) {
        let unit = FRAC_PI_2 / (1.0 + self.offset);
        ((t + self.offset) * unit, (1.0 - t) * unit)
    }
}

impl Default for Cosine {
    fn default() -> Self {
        Self { offset: 0.008 }
    }
}

impl Schedule for Cosine {
    fn level(&self, t: f64) -> Level {
        let (first, (angle, rest)) = (self.first_angle(), self.angles(cut(t)));
        // cos²a₀ − cos²a = sin(a − a₀) sin(a + a₀), without cancellation near t = 0.
        let variance = ((angle - first).sin() * (angle + first).sin()).max(0.0);
        Level::trusted(
            rest.sin() / first.cos(),
            (variance.sqrt() / first.cos()).min(1.0),
        )
    }

    fn time(&self, log_snr: f64) -> f64 {
        let alpha = Level::variance_preserving(log_snr).alpha();
        let angle = (alpha * self.first_angle().cos()).min(1.0).acos();
        (angle / FRAC_PI_2 * (1.0 + self.offset) - self.offset).clamp(0.0, 1.0)
    }

    fn rates(&self, t: f64) -> Rates {
        // f = (ln cos a)′ = −a′ tan a, and −2f = g² for every variance-preserving process.
        let (angle, rest) = self.angles(cut(t));
        let f = -FRAC_PI_2 / (1.0 + self.offset) * angle.sin() / rest.sin();
        Rates { f, g2: -2.0 * f }
    }

    fn slope(&self, t: f64) -> Slope {
        // α′ = −a′ sin a/cos a₀, finite at pure noise, and σ′ = −α α′/σ from α² + σ² = 1.
        let (level, (angle, _)) = (self.level(t), self.angles(cut(t)));
        let alpha = -FRAC_PI_2 / (1.0 + self.offset) * angle.sin() / self.first_angle().cos();
        Slope {
            alpha,
            sigma: -level.alpha() * alpha / level.sigma(),
        }
    }
}
