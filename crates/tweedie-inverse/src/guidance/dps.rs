//! DPS as a posterior denoiser: `x̂₀ + w (σ²/α) ∇_{x_t} log p(y | x̂₀(x_t))`.
//!
//! Tweedie's formula with the posterior score, in which `p(y | x_t)` is approximated by
//! `p(y | x̂₀(x_t))`: what is still uncertain about `x₀` is left out, so the guidance is too strong
//! at high noise.
//!
//! # Reference
//! Chung et al. 2023, "Diffusion Posterior Sampling for General Noisy Inverse Problems", eq. 10
//! and 16, arXiv:2209.14687.

use super::tracked;
use crate::Likelihood;
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError, vjp};
use tweedie_math::Level;

/// The posterior denoiser of DPS, for any sampler.
///
/// The gradient runs through the prior's denoiser, to the input alone.
#[derive(Clone, Debug)]
pub struct Dps<M, L> {
    prior: M,
    likelihood: L,
    strength: f64,
}

impl<M, L> Dps<M, L> {
    /// Guides `prior` by `likelihood`, with strength 1.
    pub fn new(prior: M, likelihood: L) -> Self {
        Self {
            prior,
            likelihood,
            strength: 1.0,
        }
    }

    /// Another factor `w` of the guidance; 1 is the formula.
    #[must_use]
    pub fn with_strength(mut self, strength: f64) -> Self {
        self.strength = strength;
        self
    }
}

impl<const D: usize, M: Denoiser<D>, L: Likelihood<D>> Denoiser<D> for Dps<M, L> {
    /// # Panics
    /// If the prior's estimate has no gradient: a denoiser that is itself guided cuts it off.
    fn denoise(&self, x: Tensor<D>, level: Level) -> Tensor<D> {
        let mut clean = x.clone();
        let (log_likelihood, pullback) = vjp(x, |x| {
            let estimate = tracked(&self.prior, x, level);
            clean = estimate.clone().without_autodiff();
            self.likelihood.log_likelihood(estimate)
        });
        let gradient = pullback.apply(log_likelihood.ones_like());
        clean + gradient * (self.strength * level.sigma().powi(2) / level.alpha())
    }

    /// Not where no signal is left: `α > 0`.
    fn supports(&self, level: Level) -> bool {
        level.alpha() > 0.0 && self.prior.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        InputError::unless_finite("the strength", self.strength)?;
        self.likelihood.accepts(shape)?;
        self.prior.accepts(shape)
    }
}
