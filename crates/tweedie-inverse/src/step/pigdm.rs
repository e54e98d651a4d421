//! ΠGDM as published for measurements without noise: the step of a kernel, then
//! `x_s ← x_s + α_t α_s Jᵀ A⁺ (y − A x̂₀)` with `J = ∂x̂₀/∂x_t`.
//!
//! The weight is that of the authors' code, not Tweedie's formula; for that, and for noise, there
//! is [`Pigdm`](crate::Pigdm).
//!
//! # Reference
//! Song, Vahdat, Mardani & Kautz 2023, "Pseudoinverse-Guided Diffusion Models for Inverse Problems",
//! ICLR; its code in NVlabs/RED-diff (`pgdm.py`).

use crate::adjoint::check_adjoint;
use crate::guidance::{linearised, settled_pinv};
use crate::measurement::check_measured;
use crate::{Linear, residual};
use burn::tensor::Tensor;
use tweedie_core::{Advance, Denoiser, InputError, Noise};
use tweedie_math::{Kernel, Move};
use tweedie_samplers::{State, Step};

/// The update of ΠGDM around any kernel, for linear operators.
#[derive(Clone, Debug)]
pub struct PigdmStep<const D: usize, K, A> {
    /// The unconditional move.
    pub kernel: K,
    /// `A`.
    pub operator: A,
    /// What was seen; a batch of 1 is shared.
    pub y: Tensor<D>,
}

impl<const D: usize, K: Kernel, A: Linear<D>> Step<D> for PigdmStep<D, K, A> {
    type Memory = ();

    /// # Panics
    /// If the denoiser's estimate has no gradient: a guided denoiser cuts it off.
    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        let (clean, pullback) = linearised(&denoiser, x.clone(), mv.from);
        let residual = residual::of(&self.operator, self.y.clone(), clean.clone());
        let change = pullback.apply(settled_pinv(&self.operator, residual));
        let step = self.kernel.transition(mv.from, mv.to);
        let moved = step.advance(mv, x, clean.clone(), noise);
        let x = moved + change * (mv.from.alpha() * mv.to.alpha());
        State::new(mv.to, x, Some(clean))
    }

    fn supports(&self, mv: Move) -> bool {
        self.kernel.transition(mv.from, mv.to).is_valid()
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        check_measured(&self.operator, &self.y, shape)?;
        Ok(check_adjoint(&self.operator, &self.y, shape)?)
    }
}
