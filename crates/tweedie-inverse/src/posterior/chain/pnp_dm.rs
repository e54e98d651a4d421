//! PnP-DM: split Gibbs sampling, which alternates between prior and measurement.
//!
//! In the coordinate `x/α`, at the noise `ρ = σ/α` of the level,
//!
//! 1. `x₀ ~ p(x₀ | z)`, where `z = x₀ + ρ ε`: the reverse process of the prior from `z` down;
//! 2. `z ~ p(y | z) N(z; x₀, ρ²)`, with the ρ of the next level.
//!
//! At a constant level ([`LevelPath::staying`](tweedie_math::LevelPath::staying)), the law of `z`
//! converges to the posterior blurred by ρ. Along a path, ρ is annealed.
//!
//! # Reference
//! Wu et al. 2024, "Principled Probabilistic Imaging using Diffusion Models as Plug-and-Play
//! Priors", algorithm 1, arXiv:2405.18782; Coeurdoux, Dobigeon & Chainais 2023, arXiv:2304.11134.

use super::{LikelihoodStep, descend};
use burn::tensor::Tensor;
use tweedie_core::InputError;
use tweedie_math::multistep::{DpmSolverMultistep, Order};
use tweedie_math::{Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// PnP-DM, split Gibbs sampling with any [`LikelihoodStep`].
#[derive(Clone, Debug)]
pub struct PnpDm<C> {
    coupling: C,
    moves: usize,
}

impl<C> PnpDm<C> {
    /// Creates PnP-DM with 10 moves of the prior's reverse process in each iteration.
    pub fn new(coupling: C) -> Self {
        Self {
            coupling,
            moves: 10,
        }
    }

    /// Sets the number of moves of the reverse process; each move is one evaluation.
    ///
    /// # Errors
    /// [`ParameterError`] if `moves` is 0.
    pub fn with_moves(self, moves: usize) -> Result<Self, ParameterError> {
        let moves = ParameterError::require_count("the number of moves", moves)?;
        Ok(Self { moves, ..self })
    }
}

impl<const D: usize, C: LikelihoodStep<D>> Step<D> for PnpDm<C> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        // Second order, because errors of the iterations accumulate along the chain.
        let reverse = DpmSolverMultistep::plus_plus(Order::Second).sde();
        let clean = descend(&reverse, x, mv.from, self.moves, context)?;
        if mv.to.sigma() == 0.0 {
            return Ok(State::new(
                mv.to,
                clean.clone() * mv.to.alpha(),
                Some(clean),
            ));
        }
        let rho = mv.to.noise_to_signal();
        let z = self.coupling.draw(clean.clone(), rho, context.noise)?;
        Ok(State::new(mv.to, z * mv.to.alpha(), Some(clean)))
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
