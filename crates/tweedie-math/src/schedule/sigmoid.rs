//! Sigmoid: `ᾱ(t) = (S(end/τ) − S((start + t (end − start))/τ)) / (S(end/τ) − S(start/τ))`.
//!
//! `S` is the logistic function, `α = √ᾱ`, `σ = √(1 − ᾱ)`; `t = 1` is pure noise.
//!
//! # Reference
//! Chen 2023, "On the Importance of Noise Scheduling for Diffusion Models", algorithm 1,
//! arXiv:2301.10972; Jabri et al. 2022, arXiv:2212.11972.

use super::{Rates, Schedule, ScheduleError, cut, deserialize_checked, parameter};
use crate::{Level, level::logistic};
use serde::Serialize;

/// The sigmoid schedule; the default is `start = −3`, `end = 3`, `τ = 1`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sigmoid {
    start: f64,
    end: f64,
    tau: f64,
}
deserialize_checked!(Sigmoid { start, end, tau });

impl Sigmoid {
    /// Returns the schedule from the logistic curve of temperature `tau` between `start` and `end`.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `start < end` and `0 < tau`, all finite, and the curve
    /// rises by more than 10⁻⁹ between them.
    pub fn new(start: f64, end: f64, tau: f64) -> Result<Self, ScheduleError> {
        let schedule = Self {
            start: parameter("start", "finite", start, true)?,
            end: parameter("end", "above start", end, end > start)?,
            tau: parameter("tau", "above 0", tau, tau > 0.0)?,
        };
        for end in [schedule.argument(0.0), schedule.argument(1.0)] {
            parameter("(start, end)/tau", "finite", end, true)?;
        }
        // Far from 0 the logistic curve is constant to machine precision.
        parameter(
            "tau",
            "large enough to see the curve rise",
            tau,
            schedule.total() > 1e-9,
        )?;
        Ok(schedule)
    }

    fn argument(self, t: f64) -> f64 {
        (self.start + t * (self.end - self.start)) / self.tau
    }

    /// Computes `S(b) − S(a)` without cancellation.
    fn rise(a: f64, b: f64) -> f64 {
        let (pa, pb) = (logistic(-a), logistic(b));
        // S(b) − S(a) = S(b) S(−a) (1 − e^{a−b}).
        -pb * pa * (a - b).exp_m1()
    }

    fn total(self) -> f64 {
        Self::rise(self.argument(0.0), self.argument(1.0))
    }
}

impl Default for Sigmoid {
    fn default() -> Self {
        Self {
            start: -3.0,
            end: 3.0,
            tau: 1.0,
        }
    }
}

impl Schedule for Sigmoid {
    fn level(&self, t: f64) -> Level {
        let t = cut(t);
        let (here, total) = (self.argument(t), self.total());
        Level::trusted(
            (Self::rise(here, self.argument(1.0)) / total).sqrt(),
            (Self::rise(self.argument(0.0), here) / total).sqrt(),
        )
    }

    fn time(&self, log_snr: f64) -> f64 {
        let variance = Level::variance_preserving(log_snr).sigma().powi(2);
        let value = logistic(self.argument(0.0)) + variance * self.total();
        let argument = (value / (1.0 - value)).ln();
        ((argument * self.tau - self.start) / (self.end - self.start)).clamp(0.0, 1.0)
    }

    fn rates(&self, t: f64) -> Rates {
        // ᾱ′ = −S′(u) u′ / total with S′ = S (1 − S); f = ½ ᾱ′/ᾱ, g² = −2f.
        let here = self.argument(cut(t));
        let fall = logistic(here) * logistic(-here) * (self.end - self.start) / self.tau;
        let f = -0.5 * fall / Self::rise(here, self.argument(1.0));
        Rates { f, g2: -2.0 * f }
    }
}
