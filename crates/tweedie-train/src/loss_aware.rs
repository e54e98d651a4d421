//! Loss-aware sampling of times: importance sampling with density `∝ √E[L²]`, which minimises the
//! variance of the loss.
//!
//! # Reference
//! Nichol & Dhariwal 2021, section 3.3, arXiv:2102.09672.

use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tweedie_core::{InputError, column};
use tweedie_math::ParameterError;

/// An objective whose noise levels are drawn more often where the loss is large.
///
/// The quantiles of the objective's own distribution of times are divided into intervals. Each
/// keeps its last losses. Once all have enough of them, an interval is drawn with a probability
/// proportional to the root mean square of its losses, and the loss is divided by it. The expected
/// loss stays the same.
///
/// It is for losses that differ much between levels, such as the variational bound.
///
/// ```
/// use tweedie_math::{Chain, Weighting};
/// use tweedie_train::{LossAware, ScoreMatching};
///
/// let bound = ScoreMatching::new(Chain::linear(1000, 1e-4, 0.02)?).with_weighting(Weighting::Snr);
/// let objective = LossAware::new(bound);
/// # let _ = objective;
/// # Ok::<(), tweedie_math::ScheduleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LossAware<O> {
    /// The objective.
    pub objective: O,
    /// The number of intervals, at least 1; default 100.
    pub intervals: usize,
    /// The number of losses that each interval keeps, at least 1; default 10.
    pub history: usize,
    /// The last losses of each interval.
    #[serde(skip)]
    recent: Vec<VecDeque<f64>>,
}

/// The part of the draws that stays uniform, so that no interval is forgotten.
const UNIFORM: f64 = 0.001;

impl<O> LossAware<O> {
    /// Draws the noise levels of an objective by their loss.
    pub fn new(objective: O) -> Self {
        Self {
            objective,
            intervals: 100,
            history: 10,
            recent: Vec::new(),
        }
    }

    /// Sets the number of intervals.
    #[must_use]
    pub fn with_intervals(self, intervals: usize) -> Self {
        Self { intervals, ..self }
    }

    /// Sets the number of losses that each interval keeps.
    #[must_use]
    pub fn with_history(self, history: usize) -> Self {
        Self { history, ..self }
    }

    /// The probability of each interval.
    #[must_use]
    pub fn probabilities(&self) -> Vec<f64> {
        let count = self.intervals as f64;
        let full = |losses: &VecDeque<f64>| losses.len() >= self.history;
        let ready = self.recent.len() == self.intervals && self.recent.iter().all(full);
        let size = |losses: &VecDeque<f64>| {
            let squares: f64 = losses.iter().map(|loss| loss * loss).sum();
            (squares / losses.len() as f64).sqrt()
        };
        let total: f64 = self.recent.iter().map(size).sum();
        if !(ready && total > 0.0) {
            return vec![1.0 / count; self.intervals];
        }
        let mixed = |losses| (1.0 - UNIFORM) * size(losses) / total + UNIFORM / count;
        self.recent.iter().map(mixed).collect()
    }

    /// The quantile, the weight and the interval of each draw: intervals of the unit interval with
    /// lengths `p` are mapped to intervals of equal lengths.
    fn warped(&self, uniform: &[f64]) -> Vec<(f64, f64, usize)> {
        let probabilities = self.probabilities();
        let ends: Vec<f64> = probabilities
            .iter()
            .scan(0.0, |sum, p| {
                *sum += p;
                Some(*sum)
            })
            .collect();
        let count = self.intervals as f64;
        let warp = |&u: &f64| {
            let at = ends
                .partition_point(|&end| end <= u)
                .min(self.intervals - 1);
            let (p, end) = (probabilities[at], ends[at]);
            let within = (1.0 - (end - u) / p).clamp(0.0, 1.0 - f64::EPSILON);
            ((at as f64 + within) / count, 1.0 / (count * p), at)
        };
        uniform.iter().map(warp).collect()
    }
}

impl<M, O: Objective<M>> Objective<M> for LossAware<O> {
    /// # Errors
    /// Those of the wrapped objective, and [`TrainError::Parameter`] without intervals or losses.
    fn check(&self, model: &M) -> Result<(), TrainError> {
        ParameterError::require_count("the number of intervals", self.intervals)?;
        ParameterError::require_count("the number of losses of an interval", self.history)?;
        self.objective.check(model)
    }

    fn observe(&mut self, uniform: &[f64], losses: &[f64]) {
        let warped = self.warped(uniform);
        self.recent.resize(self.intervals, VecDeque::new());
        let (mut inner, mut own) = (Vec::new(), Vec::new());
        for ((quantile, weight, interval), loss) in warped.into_iter().zip(losses) {
            let recent = &mut self.recent[interval];
            recent.push_back(loss / weight);
            recent.drain(..recent.len().saturating_sub(self.history));
            inner.push(quantile);
            own.push(loss / weight);
        }
        self.objective.observe(&inner, &own);
    }

    /// The losses of each interval, preceded by their number, then what the objective remembers.
    fn memory(&self) -> Vec<f64> {
        let mut memory = Vec::new();
        for losses in &self.recent {
            memory.push(losses.len() as f64);
            memory.extend(losses);
        }
        // A run without a step has no intervals yet.
        if self.recent.is_empty() {
            memory.resize(self.intervals, 0.0);
        }
        memory.extend(self.objective.memory());
        memory
    }

    fn recall(&mut self, memory: &[f64]) -> bool {
        let mut rest = memory;
        let mut recent = Vec::new();
        for _ in 0..self.intervals {
            let Some((&count, others)) = rest.split_first() else {
                return false;
            };
            let count = count as usize;
            if count > self.history || count > others.len() {
                return false;
            }
            let (losses, others) = others.split_at(count);
            recent.push(losses.iter().copied().collect());
            rest = others;
        }
        self.recent = recent;
        self.objective.recall(rest)
    }
}

impl<M, const D: usize, C, O: Loss<M, D, C>> Loss<M, D, C> for LossAware<O> {
    fn losses(
        &self,
        model: &M,
        batch: Batch<D, C>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        // Evaluations compare two models at the same levels.
        if !draws.is_training() {
            return self.objective.losses(model, batch, draws);
        }
        let warped = self.warped(draws.uniform());
        let weights: Vec<f64> = warped.iter().map(|&(_, weight, _)| weight).collect();
        draws.set_uniform(warped.into_iter().map(|(quantile, ..)| quantile).collect());
        let found = self.objective.losses(model, batch, draws)?;
        let weights = column(&weights, &found.values);
        Ok(Losses {
            values: found.values * weights,
            ..found
        })
    }
}
