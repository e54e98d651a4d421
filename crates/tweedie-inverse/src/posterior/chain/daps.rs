//! DAPS: at each level, estimate the clean signal, draw one that fits the measurement and noise it.
//!
//! 1. `x̂₀` is the end of the prior's probability flow from `x_t` (a few moves of DDIM);
//! 2. `x₀ ~ p(y | x₀) N(x₀; x̂₀, r²)` with `r = σ/α`;
//! 3. `x_s = α_s x₀ + σ_s z`.
//!
//! Consecutive states are decoupled, so later levels can correct early errors. At clean data, the
//! draw of the last level is the result.
//!
//! # Reference
//! Zhang et al. 2024, "Improving Diffusion Inverse Problem Solving with Decoupled Noise Annealing",
//! algorithm 1, arXiv:2407.01521.

use super::{LikelihoodStep, descend};
use burn::tensor::Tensor;
use tweedie_core::InputError;
use tweedie_math::{Ddim, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// DAPS with any [`LikelihoodStep`].
///
/// A linear measurement with Gaussian noise implements [`LikelihoodStep`]. For any other
/// likelihood, use [`LangevinLikelihoodStep`](crate::posterior::LangevinLikelihoodStep).
#[derive(Clone, Debug)]
pub struct Daps<C> {
    coupling: C,
    moves: usize,
    spread: f64,
}

impl<C> Daps<C> {
    /// Creates DAPS with 5 moves of the flow, as in the paper, and `r = σ/α`.
    pub fn new(coupling: C) -> Self {
        Self {
            coupling,
            moves: 5,
            spread: 1.0,
        }
    }

    /// Sets the number of moves of the flow; each move is one evaluation.
    ///
    /// # Errors
    /// [`ParameterError`] if `moves` is 0.
    pub fn with_moves(self, moves: usize) -> Result<Self, ParameterError> {
        let moves = ParameterError::require_count("the number of moves", moves)?;
        Ok(Self { moves, ..self })
    }

    /// Sets `r` in units of `σ/α`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `spread` is finite and above 0.
    pub fn with_spread(self, spread: f64) -> Result<Self, ParameterError> {
        let spread = ParameterError::require_positive("the spread", spread)?;
        Ok(Self { spread, ..self })
    }
}

impl<const D: usize, C: LikelihoodStep<D>> Step<D> for Daps<C> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let flow = Ddim::deterministic();
        let guess = descend(&flow, x, mv.from, self.moves, context)?;
        let r = self.spread * mv.from.noise_to_signal();
        let clean = self.coupling.draw(guess, r, context.noise)?;
        let mut x = clean.clone() * mv.to.alpha();
        if mv.to.sigma() > 0.0 {
            x = x.clone() + context.noise.normal_like(&x) * mv.to.sigma();
        }
        Ok(State::new(mv.to, x, Some(clean)))
    }

    /// Accepts moves that do not add noise, from levels with some signal and some noise.
    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_signal()?;
        mv.from.require_noise()?;
        Ok(mv.require_down()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.coupling.accepts(shape)
    }
}
