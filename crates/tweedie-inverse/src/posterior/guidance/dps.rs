//! DPS as a posterior denoiser: `x̂₀ + w (σ²/α) ∇_{x_t} log p(y | x̂₀(x_t))`.
//!
//! Tweedie's formula with the posterior score, in which `p(y | x_t)` is approximated by
//! `p(y | x̂₀(x_t))`. This ignores the uncertainty of `x₀` given `x_t`, so the guidance is too
//! strong at high noise.
//!
//! # Reference
//! Chung et al. 2023, "Diffusion Posterior Sampling for General Noisy Inverse Problems", eq. 10
//! and 16, arXiv:2209.14687.

use crate::measurement::Likelihood;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError, tracked, try_vjp};
use tweedie_math::{Level, ParameterError};

/// The posterior denoiser of DPS, for any sampler.
///
/// The gradient is taken through the prior's denoiser, with respect to its input alone.
///
/// The prior has to be differentiable in its input. Otherwise a move fails with
/// [`DenoiseError::Untracked`](tweedie_core::DenoiseError::Untracked).
#[derive(Clone, Debug)]
pub struct Dps<M, L> {
    prior: M,
    likelihood: L,
    strength: f64,
}

impl<M, L> Dps<M, L> {
    /// Guides `prior` with `likelihood`, at strength 1.
    pub fn new(prior: M, likelihood: L) -> Self {
        Self {
            prior,
            likelihood,
            strength: 1.0,
        }
    }

    /// Sets the strength `w` of the guidance; 1 is Tweedie's formula.
    ///
    /// # Errors
    /// [`ParameterError`] unless `strength` is finite.
    pub fn with_strength(self, strength: f64) -> Result<Self, ParameterError> {
        let strength = ParameterError::require_finite("the strength", strength)?;
        Ok(Self { strength, ..self })
    }
}

impl<const D: usize, M: Denoiser<D>, L: Likelihood<D>> Denoiser<D> for Dps<M, L> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let mut clean = x.clone();
        let (log_likelihood, pullback) = try_vjp(x, |x| {
            let estimate = tracked(&self.prior, x, level)?;
            clean = estimate.clone().without_autodiff();
            Ok::<_, DenoiseError>(self.likelihood.log_likelihood(estimate))
        })?;
        let gradient = pullback.apply(log_likelihood.ones_like());
        Ok(clean + gradient * (self.strength * level.sigma().powi(2) / level.alpha()))
    }

    /// Returns whether the level has signal (`α > 0`) and the prior supports it.
    fn supports(&self, level: Level) -> bool {
        level.alpha() > 0.0 && self.prior.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.likelihood.accepts(shape)?;
        self.prior.accepts(shape)
    }
}
