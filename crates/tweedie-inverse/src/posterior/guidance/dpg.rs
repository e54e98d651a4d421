//! DPG: `x̂₀ + w (σ²/α) J(x_t)ᵀ g` with `g = (n/(n−1)) Σ_i (w_i − 1/n) z_i/r`, which needs no
//! derivative of the operator.
//!
//! The draws `x̂₀ + r z_i` have likelihoods `p_i`, and `w_i = p_i/Σ p_j` are their shares. By the
//! score-function (policy-gradient) estimator, with the mean of the others as the baseline, `g`
//! estimates `∇ log E[p(y | x̂₀ + r z)]` with respect to `x̂₀`, which is what [`Lgd`](super::Lgd)
//! differentiates. `J` is the Jacobian of the prior's estimate.
//!
//! The estimator's variance grows with the number of values that the operator sees. The paper's
//! code normalises the gradient and averages it over moves.
//!
//! # Reference
//! Tang, Xie, Lu & Bai 2024, "Solving General Noisy Inverse Problem via Posterior Sampling: A
//! Policy Gradient Viewpoint", section 3, arXiv:2403.10585.

use crate::measurement::Likelihood;
use crate::posterior::posterior_variance;
use burn::tensor::{Tensor, activation::softmax};
use tweedie_core::{DenoiseError, Denoiser, HostNoise, InputError, Noise, linearised};
use tweedie_math::{Level, ParameterError};

/// The posterior denoiser of DPG, for any likelihood, differentiable or not.
///
/// The draws depend on the seed and the level alone and are shared by the batch, so that the
/// denoiser is a function of the state. The prior has to be differentiable in its input.
#[derive(Clone, Debug)]
pub struct Dpg<M, L> {
    prior: M,
    likelihood: L,
    draws: usize,
    data_std: f64,
    strength: f64,
    seed: u64,
}

impl<M, L> Dpg<M, L> {
    /// Guides `prior` with `likelihood`, with 100 draws, data of standard deviation 1, strength 1
    /// and seed 0.
    pub fn new(prior: M, likelihood: L) -> Self {
        Self {
            prior,
            likelihood,
            draws: 100,
            data_std: 1.0,
            strength: 1.0,
            seed: 0,
        }
    }

    /// Sets the number of draws.
    ///
    /// # Errors
    /// [`ParameterError`] if `draws` is below 2.
    pub fn with_draws(self, draws: usize) -> Result<Self, ParameterError> {
        let (name, value) = ("the number of draws", draws as f64);
        ParameterError::require(draws > 1, name, "at least 2", value)?;
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

impl<const D: usize, M: Denoiser<D>, L: Likelihood<D>> Denoiser<D> for Dpg<M, L> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let r = posterior_variance(level, self.data_std).sqrt();
        let (clean, pullback) = linearised(&self.prior, x, level)?;
        if r == 0.0 {
            return Ok(clean);
        }
        let mut noise = HostNoise::seeded(self.seed ^ level.log_snr().to_bits());
        // The batch shares the draws, so that a sample does not depend on its place in the batch.
        let one = clean.clone().narrow(0, 0, 1);
        let draws: Vec<_> = (0..self.draws).map(|_| noise.normal_like(&one)).collect();
        let logs = draws.iter().map(|z| {
            let log = self
                .likelihood
                .log_likelihood(clean.clone() + z.clone() * r);
            log.unsqueeze_dim::<2>(1)
        });
        let shares = softmax(Tensor::cat(logs.collect(), 1), 1);
        let n = self.draws as f64;
        let factors = (shares - 1.0 / n) * (n / (n - 1.0) / r);
        let flat: Vec<Tensor<2>> = draws.into_iter().map(|z| z.reshape([1, -1])).collect();
        let gradient = factors.cast(clean.dtype()).matmul(Tensor::cat(flat, 0));
        let gradient = gradient.reshape(clean.dims());
        let weight = self.strength * level.sigma().powi(2) / level.alpha();
        Ok(clean + pullback.apply(gradient) * weight)
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
