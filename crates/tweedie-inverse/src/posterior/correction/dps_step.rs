//! DPS as published: the step of a kernel, then `x ← x − ζ ∇_{x_t} ‖y − A x̂₀(x_t)‖`.
//!
//! The paper writes `ζ_i ∇ ‖y − A x̂₀‖²` with `ζ_i = ζ/‖y − A x̂₀‖`, which is this up to a factor
//! of 2; its code takes the gradient of the norm. The norm is taken over each sample, not over the
//! batch. For photon counts with
//! [`gaussian_approximation`](crate::noise::PoissonNoise::gaussian_approximation) the norm is
//! `‖·‖_Λ` with `Λ = 1/(2y)`.
//!
//! # Reference
//! Chung et al. 2023, algorithm 1, section 3.3 (Poisson) and appendix C.2, arXiv:2209.14687.

use crate::measurement::Measured;
use crate::posterior::residual_norm::residual_norm;
use burn::tensor::Tensor;
use tweedie_core::{Advance, InputError, tracked, try_vjp};
use tweedie_math::{Kernel, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// The update of DPS around any kernel; the paper uses [`Ancestral`](tweedie_math::Ancestral).
///
/// The prior has to be differentiable in its input. Otherwise a move fails with
/// [`DenoiseError::Untracked`](tweedie_core::DenoiseError::Untracked).
#[derive(Clone, Debug)]
pub struct DpsStep<K, P> {
    kernel: K,
    problem: P,
    zeta: f64,
}

impl<K, P> DpsStep<K, P> {
    /// Corrects the moves of `kernel` with step size ζ = 0.3, the paper's value for
    /// super-resolution.
    pub fn new(kernel: K, problem: P) -> Self {
        Self {
            kernel,
            problem,
            zeta: 0.3,
        }
    }

    /// Sets the step size ζ. The paper uses 0.3 to 1 for images in `[−1, 1]`.
    ///
    /// # Errors
    /// [`ParameterError`] unless ζ is finite.
    pub fn with_zeta(self, zeta: f64) -> Result<Self, ParameterError> {
        let zeta = ParameterError::require_finite("ζ", zeta)?;
        Ok(Self { zeta, ..self })
    }
}

impl<const D: usize, K: Kernel, P: Measured<D>> Step<D> for DpsStep<K, P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let mut clean = x.clone();
        let (norm, pullback) = try_vjp(x.clone(), |x| {
            let estimate = tracked(context.denoiser, x, mv.from)?;
            clean = estimate.clone().without_autodiff();
            residual_norm(&self.problem, estimate)
        })?;
        let gradient = pullback.apply(norm.ones_like());
        let transition = self.kernel.transition(mv.from, mv.to)?;
        let moved = transition.advance(mv, x, clean.clone(), context.noise);
        let x = moved - gradient * self.zeta;
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.kernel.transition(mv.from, mv.to)?;
        Ok(())
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.problem.accepts(shape)
    }
}
