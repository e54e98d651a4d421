//! Euler's method on the reverse process: the probability flow and the reverse SDE.
//!
//! In the time of a schedule, with `Δ = s − t < 0`, slopes `α′, σ′` and rates `f, g²`:
//!
//! * flow: `x_s = x_t + Δ (α′ x̂₀ + σ′ ε̂)`, which is `dx = (f x − ½ g² s) dt`
//! * SDE: `x_s = x_t + Δ (f x_t − g² s) + √(g² |Δ|) z`
//!
//! Unlike [`Ddim`](crate::Ddim), these kernels depend on the schedule's time parametrisation. They
//! are singular where the schedule is: the SDE of a rectified flow at `t = 1`, for example.
//!
//! # Reference
//! Song et al. 2021, eq. 6 and 13, arXiv:2011.13456.

use super::Kernel;
use crate::{Level, MoveError, Schedule, Transition};
use serde::{Deserialize, Serialize};

/// Euler's method on the probability-flow ODE, in the time of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EulerOde<S> {
    /// The schedule whose time is discretised; the visited levels must be on it.
    pub schedule: S,
}

impl<S: Schedule> EulerOde<S> {
    /// Returns Euler's method in the time of `schedule`.
    pub fn new(schedule: S) -> Self {
        Self { schedule }
    }
}

impl<S: Schedule> Kernel for EulerOde<S> {
    fn transition(&self, from: Level, to: Level) -> Result<Transition, MoveError> {
        let (t, s) = times(&self.schedule, from, to)?;
        let slope = self.schedule.slope(t);
        let decay = slope.sigma / from.sigma();
        let transition = Transition {
            state: 1.0 + (s - t) * decay,
            clean: (s - t) * (slope.alpha - decay * from.alpha()),
            noise: 0.0,
        };
        transition.checked()
    }
}

/// The Euler–Maruyama method on the reverse SDE, in the time of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EulerMaruyama<S> {
    /// The schedule whose time is discretised; the visited levels must be on it.
    pub schedule: S,
}

impl<S: Schedule> EulerMaruyama<S> {
    /// Returns the Euler–Maruyama method in the time of `schedule`.
    pub fn new(schedule: S) -> Self {
        Self { schedule }
    }
}

impl<S: Schedule> Kernel for EulerMaruyama<S> {
    fn transition(&self, from: Level, to: Level) -> Result<Transition, MoveError> {
        let (t, s) = times(&self.schedule, from, to)?;
        if t < s {
            return Err(MoveError::Uphill);
        }
        let rates = self.schedule.rates(t);
        let pull = rates.g2 / from.sigma().powi(2);
        let transition = Transition {
            state: 1.0 + (s - t) * (rates.f + pull),
            clean: (t - s) * pull * from.alpha(),
            noise: (rates.g2 * (t - s)).sqrt(),
        };
        transition.checked()
    }
}

/// Returns the times of two levels on the schedule.
fn times(schedule: &impl Schedule, from: Level, to: Level) -> Result<(f64, f64), MoveError> {
    let time = |level| {
        schedule
            .time_of(level)
            .ok_or(MoveError::OffSchedule { level })
    };
    Ok((time(from)?, time(to)?))
}
