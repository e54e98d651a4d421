//! LGD-MC: `x̂₀ + w (σ²/α) ∇_{x_t} log (1/n) Σ_i p(y | x̂₀ + r z_i)` with `z_i ~ N(0, I)`.
//!
//! `p(y | x_t) = E[p(y | x₀)]` over `p(x₀ | x_t) ≈ N(x̂₀, r² I)`, estimated by the mean of `n`
//! draws. This adds the uncertainty that DPS ignores, for any likelihood with a gradient. As `n`
//! grows, it converges to ΠGDM where ΠGDM is defined.
//!
//! # Reference
//! Song et al. 2023, "Loss-Guided Diffusion Models for Plug-and-Play Controllable Generation",
//! ICML.

use crate::measurement::Likelihood;
use crate::posterior::posterior_variance;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, HostNoise, InputError, Noise, tracked, try_vjp};
use tweedie_math::{Level, ParameterError};

/// The posterior denoiser of LGD-MC, for any likelihood.
///
/// The draws depend on the seed and the level alone and are shared by the batch, so that the
/// denoiser is a function of the state.
///
/// The prior has to be differentiable in its input. Otherwise a move fails with
/// [`DenoiseError::Untracked`](tweedie_core::DenoiseError::Untracked).
#[derive(Clone, Debug)]
pub struct Lgd<M, L> {
    prior: M,
    likelihood: L,
    draws: usize,
    data_std: f64,
    strength: f64,
    seed: u64,
}

impl<M, L> Lgd<M, L> {
    /// Guides `prior` with `likelihood`, with 10 draws, data of standard deviation 1, strength 1
    /// and seed 0.
    pub fn new(prior: M, likelihood: L) -> Self {
        Self {
            prior,
            likelihood,
            draws: 10,
            data_std: 1.0,
            strength: 1.0,
            seed: 0,
        }
    }

    /// Sets the number of draws.
    ///
    /// # Errors
    /// [`ParameterError`] if `draws` is 0.
    pub fn with_draws(self, draws: usize) -> Result<Self, ParameterError> {
        let draws = ParameterError::require_count("the number of draws", draws)?;
        Ok(Self { draws, ..self })
    }

    /// Sets the standard deviation `s` of the data in `r² = σ²/(α² + σ²/s²)`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `data_std` is above 0.
    pub fn with_data_std(self, data_std: f64) -> Result<Self, ParameterError> {
        let (name, legal) = ("the data's standard deviation", data_std > 0.0);
        let data_std = ParameterError::require(legal, name, "above 0", data_std)?;
        Ok(Self { data_std, ..self })
    }

    /// Sets the strength `w` of the guidance; 1 is the formula.
    ///
    /// # Errors
    /// [`ParameterError`] unless `strength` is finite.
    pub fn with_strength(self, strength: f64) -> Result<Self, ParameterError> {
        let strength = ParameterError::require_finite("the strength", strength)?;
        Ok(Self { strength, ..self })
    }

    /// Sets the seed of the draws.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

impl<const D: usize, M: Denoiser<D>, L: Likelihood<D>> Denoiser<D> for Lgd<M, L> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let mut clean = x.clone();
        let r = posterior_variance(level, self.data_std).sqrt();
        let mut noise = HostNoise::seeded(self.seed ^ level.log_snr().to_bits());
        let (value, pullback) = try_vjp(x, |x| {
            let estimate = tracked(&self.prior, x, level)?;
            clean = estimate.clone().without_autodiff();
            // The batch shares the draws, so that a sample does not depend on its place in the
            // batch.
            let one = clean.clone().narrow(0, 0, 1);
            let draws = (0..self.draws).map(|_| {
                let z = noise.normal_like(&one) * r;
                let log = self.likelihood.log_likelihood(estimate.clone() + z);
                log.unsqueeze_dim::<2>(1)
            });
            let logs = Tensor::cat(draws.collect(), 1);
            // log Σ exp, relative to the largest term to avoid underflow.
            let largest = logs.clone().without_autodiff().max_dim(1);
            let mean = (logs - largest).exp().sum_dim(1).log();
            Ok::<_, DenoiseError>(mean.squeeze_dim::<1>(1))
        })?;
        let gradient = pullback.apply(value.ones_like());
        Ok(clean + gradient * (self.strength * level.sigma().powi(2) / level.alpha()))
    }

    /// Returns whether the level has signal and the prior supports it.
    fn supports(&self, level: Level) -> bool {
        level.alpha() > 0.0 && self.prior.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.likelihood.accepts(shape)?;
        self.prior.accepts(shape)
    }
}
