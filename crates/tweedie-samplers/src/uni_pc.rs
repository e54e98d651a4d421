//! UniPC: every evaluation first corrects the previous move, then predicts the next one.
//!
//! [`UniPcWeights`] defines the weights. One evaluation per move, order `p + 1`; the last state is
//! predicted but not corrected.
//!
//! # Reference
//! Zhao et al. 2023, "UniPC", algorithms 1 and 2, arXiv:2302.04867.

use crate::history::{History, estimate};
use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_math::multistep::{Combination, Order, UniPcRule, UniPcWeights, Variable};
use tweedie_math::{Level, Move};

/// UniPC-p, of order `p + 1`.
///
/// ```
/// use tweedie_math::multistep::Order;
/// use tweedie_math::{LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{Sampler, UniPc};
///
/// let path = LevelPath::karras(VariancePreserving::default(), Span::default(), 20, 7.0)?;
/// let sampler = Sampler::new(UniPc::new(Order::Second), path.then_clean());
/// # Ok::<(), tweedie_math::PathError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UniPc {
    weights: UniPcWeights,
    predicts_only: bool,
}

impl UniPc {
    /// UniPC on the clean estimate with `B₂(h) = e^h − 1`, combining `p` estimates.
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

    /// Uses the predictor UniP alone, of order `p`.
    #[must_use]
    pub fn predicting_only(mut self) -> Self {
        self.predicts_only = true;
        self
    }

    /// Sets the estimate that the method interpolates.
    #[must_use]
    pub fn with_variable(mut self, variable: Variable) -> Self {
        self.weights.variable = variable;
        self
    }

    /// Sets the function `B(h)`.
    #[must_use]
    pub fn with_rule(mut self, rule: UniPcRule) -> Self {
        self.weights.rule = rule;
        self
    }
}

/// The memory of UniPC: the estimates and the weights of the last prediction.
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
    /// The weights that turn the predicted state (UniP) into the corrected one (UniC). The first is
    /// for the estimate at `here`, the others for the earlier estimates. UniP and UniC differ only
    /// in these weights, so any change made to the state since the prediction is kept.
    fn correction(&self, weights: &UniPcWeights, here: Level) -> Vec<f64> {
        let Some(predicted) = &self.predicted else {
            return Vec::new();
        };
        let nodes = &self.history.visited()[..predicted.past.len()];
        let Ok(corrected) = weights.corrector(nodes, here) else {
            return Vec::new();
        };
        let before = [0.0].iter().chain(&predicted.past);
        corrected
            .past
            .iter()
            .zip(before)
            .map(|(c, p)| c - p)
            .collect()
    }
}

impl<const D: usize> Step<D> for UniPc {
    type Memory = Correctable<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut Correctable<D>,
    ) -> Result<State<D>, StepError> {
        let clean = context.denoise(x.clone(), mv.from)?;
        let estimate = estimate(self.weights.variable, &x, &clean, mv.from);
        let correction = if self.predicts_only {
            Vec::new()
        } else {
            memory.correction(&self.weights, mv.from)
        };
        // The correction uses one estimate more than the prediction.
        let most = self.weights.order.get().max(correction.len());
        memory.history.remember(mv.from, estimate, most);
        let rule = self.weights.predictor(memory.history.visited(), mv.to)?;
        // Correct and predict in one pass: state·(x + Σ change_j m_j) + Σ past_j m_j.
        let at = |factors: &[f64], j: usize| factors.get(j).copied().unwrap_or(0.0);
        let factor = |j| rule.state * at(&correction, j) + at(&rule.past, j);
        let both = Combination {
            past: (0..most).map(factor).collect(),
            ..rule.clone()
        };
        let x = memory.history.combine(&both, x);
        memory.predicted = Some(rule);
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_noise()?;
        self.weights.predictor(&[mv.from], mv.to)?;
        Ok(())
    }
}

impl Convergence for UniPc {
    fn order(&self) -> usize {
        self.weights.order.get() + usize::from(!self.predicts_only)
    }
}
