//! MCG, manifold-constrained gradients: the gradient step of DPS, then the replacement of RePaint.
//!
//! # Reference
//! Chung, Sim, Ryu & Ye 2022, "Improving Diffusion Models for Inverse Problems Using Manifold
//! Constraints", algorithms 1 and 2, arXiv:2206.00941.

use super::DpsStep;
use super::repaint::replace;
use crate::measurement::{LinearMeasured, accepts_linear};
use burn::tensor::Tensor;
use tweedie_core::InputError;
use tweedie_math::{Kernel, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// MCG around any kernel, for linear operators.
///
/// The prior has to be differentiable in its input. Otherwise a move fails with
/// [`DenoiseError::Untracked`](tweedie_core::DenoiseError::Untracked).
#[derive(Clone, Debug)]
pub struct Mcg<K, P> {
    step: DpsStep<K, P>,
    problem: P,
}

impl<K, P: Clone> Mcg<K, P> {
    /// Corrects the moves of `kernel`, with gradient step size ζ = 0.3.
    pub fn new(kernel: K, problem: P) -> Self {
        Self {
            step: DpsStep::new(kernel, problem.clone()),
            problem,
        }
    }

    /// Sets the step size ζ of the gradient.
    ///
    /// # Errors
    /// [`ParameterError`] unless ζ is finite.
    pub fn with_zeta(self, zeta: f64) -> Result<Self, ParameterError> {
        let step = self.step.with_zeta(zeta)?;
        Ok(Self { step, ..self })
    }
}

impl<const D: usize, K: Kernel, P: LinearMeasured<D>> Step<D> for Mcg<K, P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let state = self.step.step(x, mv, context, &mut ())?;
        Ok(replace(&self.problem, state, context.noise)?)
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        Step::<D>::check(&self.step, mv)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)
    }
}
