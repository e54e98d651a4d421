//! One move of a path, the levels on its way, and why there may be none.

use crate::Level;
use serde::{Deserialize, Serialize};

/// One move of a [`LevelPath`](crate::LevelPath).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// Where the chain stands.
    pub from: Level,
    /// Where it goes.
    pub to: Level,
}

impl Move {
    /// Whether the move adds noise: `to` has less signal, relative to its noise, than `from`.
    #[must_use]
    pub fn is_forward(self) -> bool {
        self.to.is_noisier_than(self.from)
    }

    /// `Ok` unless the move adds noise.
    ///
    /// # Errors
    /// [`MoveError::Uphill`].
    pub fn require_down(self) -> Result<(), MoveError> {
        match self.is_forward() {
            false => Ok(()),
            true => Err(MoveError::Uphill),
        }
    }

    /// `Ok` for a move that stays at its level.
    ///
    /// # Errors
    /// [`MoveError::NotStaying`].
    pub fn require_staying(self) -> Result<(), MoveError> {
        match self.from == self.to {
            true => Ok(()),
            false => Err(MoveError::NotStaying),
        }
    }

    /// The move that stays at a level, for steps that explore its law.
    #[must_use]
    pub fn staying(level: Level) -> Self {
        Self {
            from: level,
            to: level,
        }
    }

    /// The level at the part `theta ∈ [0, 1]` of the chord: `α` and `σ` are linear.
    #[must_use]
    pub fn chord(self, theta: f64) -> Level {
        let theta = part(theta);
        let between = |a: f64, b: f64| (a + theta * (b - a)).max(0.0);
        Level::trusted(
            between(self.from.alpha(), self.to.alpha()),
            between(self.from.sigma(), self.to.sigma()),
        )
    }

    /// The level at the part `theta ∈ [0, 1]` of the log-SNR: `ln α` and `ln σ` are linear. None
    /// if an end has no finite log-SNR.
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
    /// The move adds noise to the level, and the method only removes it.
    #[error("it goes up in noise, and the method only goes down")]
    Uphill,
    /// The move ends at another level than it starts from.
    #[error("the method stays at one level, and the move does not")]
    NotStaying,
    /// A level without signal.
    #[error("no signal is left at α = {}, σ = {}", level.alpha(), level.sigma())]
    NoSignal {
        /// The level.
        level: Level,
    },
    /// A level without noise.
    #[error("no noise is left at α = {}, σ = {}", level.alpha(), level.sigma())]
    NoNoise {
        /// The level.
        level: Level,
    },
    /// The method works in the time of a schedule on which a level does not lie.
    #[error("α = {}, σ = {} is not a level of the method's schedule", level.alpha(), level.sigma())]
    OffSchedule {
        /// The level.
        level: Level,
    },
    /// A coefficient of the method is not finite, or its noise has no real standard deviation.
    #[error("it is singular: the coefficient of {coefficient} is {value}")]
    Singular {
        /// What it multiplies: `x_t`, `x̂₀`, an estimate, or the noise `z`.
        coefficient: &'static str,
        /// Its value.
        value: f64,
    },
}

/// `theta` cut to `[0, 1]`.
fn part(theta: f64) -> f64 {
    if theta > 0.0 { theta.min(1.0) } else { 0.0 }
}
