//! Implements [`Step`] for every method that combines the estimates of its last levels:
//! `x_s = state·x_t + Σ_j past_j·m_j + noise·z`.
//!
//! These are all kernels (DDPM, DDIM, Euler, Euler–Maruyama, reverse diffusion), which use only the
//! present estimate, and all methods of [`tweedie_math::multistep`].

use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_core::Noise;
use tweedie_math::multistep::{Combination, Multistep, Variable};
use tweedie_math::{Level, Move};

/// The estimates of the last levels, latest first.
#[derive(Clone, Debug)]
pub struct History<const D: usize> {
    visited: Vec<Level>,
    estimates: Vec<ScaledEstimate<D>>,
}

impl<const D: usize> Default for History<D> {
    fn default() -> Self {
        Self {
            visited: Vec::new(),
            estimates: Vec::new(),
        }
    }
}

impl<const D: usize> History<D> {
    /// The levels whose estimates are known, latest first.
    #[must_use]
    pub fn visited(&self) -> &[Level] {
        &self.visited
    }

    /// Adds the estimate at `level` and forgets all but the last `most`.
    pub(crate) fn remember(&mut self, level: Level, estimate: ScaledEstimate<D>, most: usize) {
        self.visited.insert(0, level);
        self.visited.truncate(most);
        self.estimates.insert(0, estimate);
        self.estimates.truncate(most);
    }

    /// `state·x + Σ_j past_j·m_j`.
    pub(crate) fn combine(&self, combination: &Combination, x: Tensor<D>) -> Tensor<D> {
        let terms = combination.past.iter().zip(&self.estimates);
        let terms = terms.map(|(weight, m)| (weight * m.scale, &m.tensor));
        sum(x, combination.state, terms)
    }
}

/// An estimate `scale·tensor`. The scale is multiplied into a weight, which saves a pass.
#[derive(Clone, Debug)]
pub(crate) struct ScaledEstimate<const D: usize> {
    tensor: Tensor<D>,
    scale: f64,
}

impl<const D: usize> From<Tensor<D>> for ScaledEstimate<D> {
    fn from(tensor: Tensor<D>) -> Self {
        Self { tensor, scale: 1.0 }
    }
}

/// The estimate that a method interpolates, from the clean estimate at `x`.
pub(crate) fn estimate<const D: usize>(
    variable: Variable,
    x: &Tensor<D>,
    clean: &Tensor<D>,
    level: Level,
) -> ScaledEstimate<D> {
    match variable {
        Variable::Clean => clean.clone().into(),
        // ε̂ = (x − α x̂₀)/σ
        Variable::Noise => ScaledEstimate {
            tensor: x.clone() - clean.clone() * level.alpha(),
            scale: 1.0 / level.sigma(),
        },
    }
}

/// `state·x + Σ_j weight_j m_j`. Consumes `x` so that its buffer can be reused.
pub(crate) fn sum<'a, const D: usize>(
    x: Tensor<D>,
    state: f64,
    terms: impl Iterator<Item = (f64, &'a Tensor<D>)>,
) -> Tensor<D> {
    let mut terms = terms
        .filter(|(weight, _)| *weight != 0.0)
        .map(|(weight, m)| m.clone() * weight);
    let first = match state {
        0.0 => terms.next().unwrap_or_else(|| x.zeros_like()),
        1.0 => x,
        state => x * state,
    };
    terms.fold(first, |sum, term| sum + term)
}

/// `mean + std·z` with the noise of the move; draws nothing if `std` is 0.
pub(crate) fn add_noise<const D: usize>(
    mean: Tensor<D>,
    std: f64,
    mv: Move,
    noise: &mut dyn Noise<D>,
) -> Tensor<D> {
    if std == 0.0 {
        return mean;
    }
    let z = noise.increment(mv, &mean);
    mean + z * std
}

impl<const D: usize, M: Multistep> Step<D> for M {
    type Memory = History<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut History<D>,
    ) -> Result<State<D>, StepError> {
        let clean = context.denoise(x.clone(), mv.from)?;
        let estimate = estimate(self.variable(), &x, &clean, mv.from);
        memory.remember(mv.from, estimate, self.lookback());
        let combination = self.combination(memory.visited(), mv.to)?;
        let mean = memory.combine(&combination, x);
        let x = add_noise(mean, combination.noise, mv, context.noise);
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_noise()?;
        self.combination(&[mv.from], mv.to)?;
        Ok(())
    }
}

impl<M: Multistep> Convergence for M {
    fn order(&self) -> usize {
        Multistep::order(self)
    }
}
