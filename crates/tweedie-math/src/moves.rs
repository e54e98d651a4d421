//! One move of a path, levels within it, and the errors of moves.

use crate::Level;
use serde::{Deserialize, Serialize};

/// One move of a [`LevelPath`](crate::LevelPath).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// The level before the move.
    pub from: Level,
    /// The level after the move.
    pub to: Level,
}

impl Move {
    /// Returns whether the move adds noise: `to` has a lower signal-to-noise ratio than `from`.
    #[must_use]
    pub fn is_forward(self) -> bool {
        self.to.is_noisier_than(self.from)
    }

    /// Returns `Ok` unless the move adds noise.
    ///
    /// # Errors
    /// [`MoveError::Uphill`].
    pub fn require_down(self) -> Result<(), MoveError> {
        match self.is_forward() {
            false => Ok(()),
            true => Err(MoveError::Uphill),
        }
    }

    /// Returns `Ok` if `from` and `to` are equal.
    ///
    /// # Errors
    /// [`MoveError::NotStaying`].
    pub fn require_staying(self) -> Result<(), MoveError> {
        match self.from == self.to {
            true => Ok(()),
            false => Err(MoveError::NotStaying),
        }
    }

    /// Returns the move from `level` to itself, for samplers that explore one noise level.
    #[must_use]
    pub fn staying(level: Level) -> Self {
        Self {
            from: level,
            to: level,
        }
    }

    /// Returns the level at the fraction `theta ∈ [0, 1]` of the chord: `α` and `σ` are linear.
    #[must_use]
    pub fn chord(self, theta: f64) -> Level {
        let theta = part(theta);
        let between = |a: f64, b: f64| (a + theta * (b - a)).max(0.0);
        Level::trusted(
            between(self.from.alpha(), self.to.alpha()),
            between(self.from.sigma(), self.to.sigma()),
        )
    }

    /// Returns the level at the fraction `theta ∈ [0, 1]` of the log-SNR: `ln α` and `ln σ` are
    /// linear.
    ///
    /// Returns `None` if either end has an infinite log-SNR.
    #[must_use]
    pub fn log_linear(self, theta: f64) -> Option<Level> {
        let theta = part(theta);
        let between = |a: f64, b: f64| (a.ln() * (1.0 - theta) + b.ln() * theta).exp();
        let ends = [self.from, self.to];
        ends.iter().all(|end| end.log_snr().is_finite()).then(|| {
            Level::trusted(
                between(self.from.alpha(), self.to.alpha()),
                between(self.from.sigma(), self.to.sigma()),
            )
        })
    }
}

/// Why a method cannot move between two levels.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The move adds noise, and the method only removes it.
    #[error("it raises the noise level, and the method can only lower it")]
    Uphill,
    /// The move changes the level, and the method stays at one level.
    #[error("the method stays at one level, and the move does not")]
    NotStaying,
    /// The method cannot use a level without signal, `α = 0`.
    #[error("no signal is left at α = {}, σ = {}", level.alpha(), level.sigma())]
    NoSignal {
        /// The level.
        level: Level,
    },
    /// The method cannot use a level without noise, `σ = 0`.
    #[error("no noise is left at α = {}, σ = {}", level.alpha(), level.sigma())]
    NoNoise {
        /// The level.
        level: Level,
    },
    /// The method works in the time of a schedule, and the level is not on that schedule.
    #[error("α = {}, σ = {} is not a level of the method's schedule", level.alpha(), level.sigma())]
    OffSchedule {
        /// The level.
        level: Level,
    },
    /// A coefficient of the method is not finite, or its noise has no real standard deviation.
    #[error("it is singular: the coefficient of {coefficient} is {value}")]
    Singular {
        /// The factor's variable: `x_t`, `x̂₀`, an estimate, or the noise `z`.
        coefficient: &'static str,
        /// The value of the coefficient.
        value: f64,
    },
}

/// Clamps `theta` to `[0, 1]`; NaN becomes 0.
fn part(theta: f64) -> f64 {
    if theta > 0.0 { theta.min(1.0) } else { 0.0 }
}
