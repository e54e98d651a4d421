//! Levels between the two ends of a move.

use crate::{Level, Move};

impl Move {
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

/// `theta` cut to `[0, 1]`.
fn part(theta: f64) -> f64 {
    if theta > 0.0 { theta.min(1.0) } else { 0.0 }
}
