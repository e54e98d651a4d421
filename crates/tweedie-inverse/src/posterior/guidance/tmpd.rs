//! TMPD: `x̂₀ + (σ²/α) Jᵀ Aᵀ (y − A x̂₀)/(d + σ_y²)` with `d = (σ²/α) A Jᵀ Aᵀ 1`.
//!
//! The covariance `A V Aᵀ` of moment matching, `V = (σ²/α) ∂x̂₀/∂x_t`, is replaced by the diagonal
//! of its row sums. This is exact if the values of `A x₀` are independent given `x_t`. Negative
//! sums are not variances and count as 0.
//!
//! # Reference
//! Boys et al. 2023, "Tweedie Moment Projected Diffusions for Inverse Problems",
//! arXiv:2310.06721.

use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::residual;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError, linearised};
use tweedie_math::Level;

/// The posterior denoiser of TMPD, for linear operators and Gaussian noise.
///
/// Each estimate costs two denoiser evaluations, each with one vector–Jacobian product.
///
/// The prior has to be differentiable in its input. Otherwise a move fails with
/// [`DenoiseError::Untracked`](tweedie_core::DenoiseError::Untracked).
#[derive(Clone, Debug)]
pub struct Tmpd<M, P> {
    prior: M,
    problem: P,
}

impl<M, P> Tmpd<M, P> {
    /// Guides `prior` with a linear measurement with Gaussian noise.
    pub fn new(prior: M, problem: P) -> Self {
        Self { prior, problem }
    }
}

impl<const D: usize, M: Denoiser<D>, P: LinearGaussian<D>> Denoiser<D> for Tmpd<M, P> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let a = self.problem.linear();
        let scale = level.sigma().powi(2) / level.alpha();
        let (clean, pullback) = linearised(&self.prior, x.clone(), level)?;
        let residual = residual(&self.problem, clean.clone())?;
        let ones = a.adjoint(residual.ones_like());
        let sums = a.apply(pullback.apply(ones) * scale).clamp_min(0.0);
        let u = residual / (sums + self.problem.sigma().powi(2));
        let (_, pullback) = linearised(&self.prior, x, level)?;
        Ok(clean + pullback.apply(a.adjoint(u)) * scale)
    }

    /// Returns whether the level has signal and the prior supports it.
    fn supports(&self, level: Level) -> bool {
        level.alpha() > 0.0 && self.prior.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)?;
        self.prior.accepts(shape)
    }
}
