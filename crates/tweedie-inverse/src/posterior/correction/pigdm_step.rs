//! ΠGDM as published for noiseless measurements: the step of a kernel, then
//! `x_s ← x_s + α_t α_s Jᵀ A⁺ (y − A x̂₀)` with `J = ∂x̂₀/∂x_t`.
//!
//! The weight is that of the authors' code, not that of Tweedie's formula. For Tweedie's formula
//! and for noisy measurements, use [`Pigdm`](crate::posterior::guidance::Pigdm).
//!
//! # Reference
//! Song, Vahdat, Mardani & Kautz 2023, "Pseudoinverse-Guided Diffusion Models for Inverse
//! Problems", ICLR; its code in NVlabs/RED-diff (`pgdm.py`).

use crate::measurement::{LinearMeasured, accepts_linear};
use crate::posterior::{pseudo_inverse, residual};
use burn::tensor::Tensor;
use tweedie_core::{Advance, InputError, linearised};
use tweedie_math::{Kernel, Move};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// The update of ΠGDM around any kernel, for linear operators.
///
/// The prior has to be differentiable in its input. Otherwise a move fails with
/// [`DenoiseError::Untracked`](tweedie_core::DenoiseError::Untracked).
#[derive(Clone, Debug)]
pub struct PigdmStep<K, P> {
    kernel: K,
    problem: P,
}

impl<K, P> PigdmStep<K, P> {
    /// Corrects the moves of `kernel` with a linear measurement. The noise level is ignored.
    pub fn new(kernel: K, problem: P) -> Self {
        Self { kernel, problem }
    }
}

impl<const D: usize, K: Kernel, P: LinearMeasured<D>> Step<D> for PigdmStep<K, P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let (clean, pullback) = linearised(context.denoiser, x.clone(), mv.from)?;
        let residual = residual(&self.problem, clean.clone())?;
        let change = pullback.apply(pseudo_inverse(self.problem.linear(), residual)?);
        let transition = self.kernel.transition(mv.from, mv.to)?;
        let moved = transition.advance(mv, x, clean.clone(), context.noise);
        let x = moved + change * (mv.from.alpha() * mv.to.alpha());
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.kernel.transition(mv.from, mv.to)?;
        Ok(())
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)
    }
}
