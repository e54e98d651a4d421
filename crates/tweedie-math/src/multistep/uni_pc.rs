//! UniPC: an exponential predictor, corrected by the evaluation that the next move makes anyway.
//!
//! With `p` estimates, the predictor "UniP-p" is a polynomial in `λ` through the last `p` levels
//! and the corrector "UniC-p" one through those and the level reached, so that the whole is of
//! order `p + 1`. The paper's system `R a = b/B(h)` has just these solutions; `B(h)` cancels but
//! where the paper takes ½ for the one unknown: the predictor with two estimates, the corrector
//! with one.
//!
//! # Reference
//! Zhao et al. 2023, "UniPC", algorithms 1 and 2, section 3.4, arXiv:2302.04867.

use super::exponential::{exponential, midpoint};
use super::{Combination, Order, Variable, half_log_snr};
use crate::{Level, MoveError};
use serde::{Deserialize, Serialize};

/// The function `B(h)` of UniPC, with `h = ±(λ_s − λ_t)` for noise and clean signal.
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

/// The weights of UniPC; its step is `UniPc` of `tweedie-samplers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniPcWeights {
    /// `p`: how many estimates the predictor combines. The method is of order `p + 1`.
    pub order: Order,
    /// Which estimate.
    pub variable: Variable,
    /// `B(h)`.
    pub rule: UniPcRule,
}

impl UniPcWeights {
    /// UniP: the move from `visited[0]` to `to`.
    ///
    /// # Errors
    /// [`MoveError::Singular`] where a coefficient is not finite.
    pub fn predictor(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let nodes = &visited[..visited.len().min(self.order.get())];
        match *nodes {
            [here, before] => {
                let rule = midpoint(self.variable, 0.0, [here, before], here, to)?;
                let first = exponential(self.variable, 0.0, &[here], here, to)?;
                let scale = self.scale(here, to);
                blend(first, &rule, scale).checked()
            }
            _ => exponential(self.variable, 0.0, nodes, visited[0], to),
        }
    }

    /// UniC: the same move once the estimate at `to` is known; its factor stands first. `nodes` are
    /// the levels whose estimates the predictor combined, latest first.
    ///
    /// # Errors
    /// [`MoveError::Singular`] where a coefficient is not finite.
    pub fn corrector(&self, nodes: &[Level], to: Level) -> Result<Combination, MoveError> {
        let from = nodes[0];
        let known: Vec<Level> = [to].iter().chain(nodes).copied().collect();
        if nodes.len() > 1 {
            return exponential(self.variable, 0.0, &known, from, to);
        }
        let mut first = exponential(self.variable, 0.0, nodes, from, to)?;
        let half = 0.5 * self.scale(from, to) * first.past[0];
        first.past = vec![half, first.past[0] - half];
        first.checked()
    }

    /// `B(h)/(e^h − 1)`.
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

/// `first + scale·(rule − first)`.
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
