//! UniPC: an exponential predictor, corrected with the next move's evaluation at no extra cost.
//!
//! With `p` estimates, the predictor "UniP-p" is a polynomial in `λ` through the last `p` levels.
//! The corrector "UniC-p" is a polynomial through these levels and the new one, and raises the
//! order to `p + 1`. These polynomials solve the paper's system `R a = b/B(h)`, in which `B(h)`
//! cancels. The exceptions are the predictor with two estimates and the corrector with one: there
//! the paper sets the single unknown to ½.
//!
//! # Reference
//! Zhao et al. 2023, "UniPC", algorithms 1 and 2, section 3.4, arXiv:2302.04867.

use super::exponential::{exponential_move, midpoint_move};
use super::{Combination, Order, Variable, half_log_snr};
use crate::{Level, MoveError};
use serde::{Deserialize, Serialize};

/// The function `B(h)` of UniPC, with `h = λ_s − λ_t` for the noise and its negative for `x̂₀`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UniPcRule {
    /// `B₁(h) = h`.
    Bh1,
    /// `B₂(h) = e^h − 1`.
    #[default]
    Bh2,
}

/// The weights of UniPC, which `UniPc` of `tweedie-samplers` uses in its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniPcWeights {
    /// The number `p` of estimates that the predictor combines; the method has order `p + 1`.
    pub order: Order,
    /// The estimate that is interpolated.
    pub variable: Variable,
    /// The choice of `B(h)`.
    pub rule: UniPcRule,
}

impl UniPcWeights {
    /// Returns UniP, the predictor's move from `visited[0]` to `to`.
    ///
    /// # Errors
    /// [`MoveError::Singular`] if a coefficient is not finite.
    pub fn predictor(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let nodes = &visited[..visited.len().min(self.order.get())];
        match *nodes {
            [here, before] => {
                let rule = midpoint_move(self.variable, 0.0, [here, before], here, to)?;
                let first = exponential_move(self.variable, 0.0, &[here], here, to)?;
                let scale = self.scale(here, to);
                blend(first, &rule, scale).checked()
            }
            _ => exponential_move(self.variable, 0.0, nodes, visited[0], to),
        }
    }

    /// Returns UniC, the corrected move once the estimate at `to` is known.
    ///
    /// The factor of the new estimate comes first. `nodes` are the levels of the estimates that the
    /// predictor combined, latest first.
    ///
    /// # Errors
    /// [`MoveError::Singular`] if a coefficient is not finite.
    pub fn corrector(&self, nodes: &[Level], to: Level) -> Result<Combination, MoveError> {
        let from = nodes[0];
        let known: Vec<Level> = [to].iter().chain(nodes).copied().collect();
        if nodes.len() > 1 {
            return exponential_move(self.variable, 0.0, &known, from, to);
        }
        let mut first = exponential_move(self.variable, 0.0, nodes, from, to)?;
        let half = 0.5 * self.scale(from, to) * first.past[0];
        first.past = vec![half, first.past[0] - half];
        first.checked()
    }

    /// Returns `B(h)/(e^h − 1)`.
    fn scale(&self, from: Level, to: Level) -> f64 {
        let h = half_log_snr(to) - half_log_snr(from);
        let h = match self.variable {
            Variable::Clean => -h,
            Variable::Noise => h,
        };
        match self.rule {
            UniPcRule::Bh1 if h.is_finite() && h != 0.0 => h / h.exp_m1(),
            _ => 1.0,
        }
    }
}

/// Returns `first + scale·(rule − first)` for the factors of the estimates.
fn blend(first: Combination, rule: &Combination, scale: f64) -> Combination {
    let weights = rule.past.iter().enumerate().map(|(j, weight)| {
        let base = first.past.get(j).copied().unwrap_or(0.0);
        base + scale * (weight - base)
    });
    Combination {
        past: weights.collect(),
        ..first
    }
}
