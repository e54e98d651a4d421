//! UniPC: every evaluation first corrects the move that led to it, then predicts the next.
//!
//! The weights, and what they mean, are those of [`UniPcWeights`]. One
//! evaluation a move, order `p + 1`; the last state is a predicted one.
//!
//! # Reference
//! Zhao et al. 2023, "UniPC", algorithms 1 and 2, arXiv:2302.04867.

use crate::multistep::{History, Scaled, estimate};
use crate::{State, Step};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, Noise};
use tweedie_math::multistep::{Combination, Order, UniPcRule, UniPcWeights, Variable};
use tweedie_math::{Level, Move};

/// UniPC-p, of order `p + 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UniPc {
    weights: UniPcWeights,
    predicts_only: bool,
}

impl UniPc {
    /// UniPC on the clean signal with `B₂(h) = e^h − 1`, combining `p` estimates.
    #[must_use]
    pub fn new(p: Order) -> Self {
        Self {
            weights: UniPcWeights {
                order: p,
                ..UniPcWeights::default()
            },
            predicts_only: false,
        }
    }

    /// UniP alone, of order `p`.
    #[must_use]
    pub fn predicting_only(mut self) -> Self {
        self.predicts_only = true;
        self
    }

    /// On another estimate.
    #[must_use]
    pub fn with_variable(mut self, variable: Variable) -> Self {
        self.weights.variable = variable;
        self
    }

    /// With another `B(h)`.
    #[must_use]
    pub fn with_rule(mut self, rule: UniPcRule) -> Self {
        self.weights.rule = rule;
        self
    }
}

/// What UniPC remembers: its estimates, and the numbers by which it last predicted.
#[derive(Clone, Debug)]
pub struct Correctable<const D: usize> {
    history: History<D>,
    predicted: Option<Combination>,
}

impl<const D: usize> Default for Correctable<D> {
    fn default() -> Self {
        Self {
            history: History::default(),
            predicted: None,
        }
    }
}

impl<const D: usize> Correctable<D> {
    /// UniC, as a change of the state that UniP led to: the two differ in the factors of the estimates
    /// alone. What was done to the state since then stays.
    fn correct(
        &self,
        weights: &UniPcWeights,
        x: Tensor<D>,
        to: Level,
        estimate: &Scaled<D>,
    ) -> Tensor<D> {
        let Some(predicted) = &self.predicted else {
            return x;
        };
        let nodes = &self.history.visited()[..predicted.past.len()];
        let corrected = weights.corrector(nodes, to);
        if !corrected.is_valid() {
            return x;
        }
        let before = [0.0].iter().chain(&predicted.past);
        let change = corrected.past.iter().zip(before).map(|(c, p)| c - p);
        let change = Combination {
            state: 1.0,
            past: change.collect(),
            noise: 0.0,
        };
        self.history.combine(&change, x, Some(estimate))
    }
}

impl<const D: usize> Step<D> for UniPc {
    type Memory = Correctable<D>;

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        _: &mut dyn Noise<D>,
        memory: &mut Correctable<D>,
    ) -> State<D> {
        let clean = denoiser.denoise(x.clone(), mv.from);
        let estimate = estimate(self.weights.variable, &x, &clean, mv.from);
        let x = if self.predicts_only {
            x
        } else {
            memory.correct(&self.weights, x, mv.from, &estimate)
        };
        let most = self.weights.order.get();
        memory.history.remember(mv.from, estimate, most);
        let rule = self.weights.predictor(memory.history.visited(), mv.to);
        let x = memory.history.combine(&rule, x, None);
        memory.predicted = Some(rule);
        State::new(mv.to, x, Some(clean))
    }

    fn supports(&self, mv: Move) -> bool {
        mv.from.sigma() > 0.0 && self.weights.predictor(&[mv.from], mv.to).is_valid()
    }

    fn order(&self) -> usize {
        self.weights.order.get() + usize::from(!self.predicts_only)
    }
}
