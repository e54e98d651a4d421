//! DiffPIR: `argmin_x ‖y − A x‖²/(2σ_y²) + (ρ/2) ‖x − x̂₀‖²` with `ρ = λ α²/σ²`.
//!
//! The proximal step of the data term from the prior's estimate, whose error is assumed to have
//! variance `σ²/(λ α²)`. The network is not differentiated. The paper's sampler is this denoiser
//! with the kernel [`Renoise`](tweedie_math::Renoise) and the paper's ζ.
//!
//! # Reference
//! Zhu et al. 2023, "Denoising Diffusion Models for Plug-and-Play Image Restoration",
//! algorithm 1, arXiv:2305.08995.

use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::proximal_step;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError};
use tweedie_math::{Level, ParameterError};

/// The posterior denoiser of DiffPIR, for linear operators and Gaussian noise.
#[derive(Clone, Debug)]
pub struct DiffPir<M, P> {
    prior: M,
    problem: P,
    lambda: f64,
}

impl<M, P> DiffPir<M, P> {
    /// Guides `prior` with a linear measurement with Gaussian noise and the weight λ = 7 of the
    /// prior. `docs/RESTORING.md` lists the paper's λ by task.
    pub fn new(prior: M, problem: P) -> Self {
        Self {
            prior,
            problem,
            lambda: 7.0,
        }
    }

    /// Sets the weight λ of the prior.
    ///
    /// # Errors
    /// [`ParameterError`] unless λ is finite and above 0.
    pub fn with_lambda(self, lambda: f64) -> Result<Self, ParameterError> {
        let lambda = ParameterError::require_positive("λ", lambda)?;
        Ok(Self { lambda, ..self })
    }
}

impl<const D: usize, M: Denoiser<D>, P: LinearGaussian<D>> Denoiser<D> for DiffPir<M, P> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let clean = self.prior.denoise(x, level)?;
        // σ_y² ρ
        let shift = self.lambda * (self.problem.sigma() / level.noise_to_signal()).powi(2);
        proximal_step(&self.problem, clean, shift)
    }

    /// Returns whether the level has signal and noise, and the prior supports it.
    fn supports(&self, level: Level) -> bool {
        level.alpha() > 0.0 && level.sigma() > 0.0 && self.prior.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)?;
        self.prior.accepts(shape)
    }
}
