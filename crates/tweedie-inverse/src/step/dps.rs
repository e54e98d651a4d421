//! DPS as published: the step of a kernel, then `x ← x − ζ ∇_{x_t} ‖y − A x̂₀(x_t)‖`.
//!
//! The paper writes `ζ_i ∇ ‖y − A x̂₀‖²` with `ζ_i = ζ/‖y − A x̂₀‖`, which is this up to a factor
//! of 2, and its code takes the gradient of the norm. The norm is that of each sample, not of the
//! batch.
//!
//! # Reference
//! Chung et al. 2023, algorithm 1 and appendix C.2, arXiv:2209.14687.

use crate::measurement::check_measured;
use crate::{Operator, residual};
use burn::tensor::Tensor;
use tweedie_core::{Advance, Denoiser, InputError, Noise, vjp};
use tweedie_math::{Kernel, Move};
use tweedie_samplers::{State, Step};

/// The update of DPS around any kernel; the paper takes [`Ancestral`](tweedie_math::Ancestral).
#[derive(Clone, Debug)]
pub struct DpsStep<const D: usize, K, A> {
    /// The unconditional move.
    pub kernel: K,
    /// `A`.
    pub operator: A,
    /// What was seen; a batch of 1 is shared.
    pub y: Tensor<D>,
    /// The step size ζ (the paper: 0.3 to 1 for images in `[−1, 1]`).
    pub zeta: f64,
}

impl<const D: usize, K: Kernel, A: Operator<D>> Step<D> for DpsStep<D, K, A> {
    type Memory = ();

    /// # Panics
    /// If the denoiser's estimate has no gradient, or `y` has not the shape of `A x`.
    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        let mut clean = x.clone();
        let (norm, pullback) = vjp(x.clone(), |x| {
            let estimate = denoiser.denoise(x, mv.from);
            assert!(
                estimate.is_tracked(),
                "DPS: the denoiser's estimate has no gradient"
            );
            clean = estimate.clone().without_autodiff();
            residual::norm(&self.operator, &self.y, estimate)
        });
        let gradient = pullback.apply(norm.ones_like());
        let moved = self
            .kernel
            .transition(mv.from, mv.to)
            .advance(mv, x, clean.clone(), noise);
        State::new(mv.to, moved - gradient * self.zeta, Some(clean))
    }

    fn supports(&self, mv: Move) -> bool {
        self.kernel.transition(mv.from, mv.to).is_valid()
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        InputError::unless_finite("ζ", self.zeta)?;
        Ok(check_measured(&self.operator, &self.y, shape)?)
    }
}
