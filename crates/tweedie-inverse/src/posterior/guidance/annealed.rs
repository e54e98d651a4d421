//! The annealed likelihood: `p(y | x_t) ≈ N(y; A x_t/α, σ_y² + γ² σ²/α²)`.
//!
//! The measurement is compared with the noisy state itself; the noise of the state is added to that
//! of the measurement. With [`AnnealedLangevin`](tweedie_samplers::AnnealedLangevin), this is the
//! posterior sampler of Jalal et al. With γ = 1 and an orthogonal `A`, it is exact for a flat
//! prior.
//!
//! # Reference
//! Jalal et al. 2021, "Robust Compressed Sensing MRI with Deep Generative Priors",
//! arXiv:2108.01368; Song et al. 2021, appendix I.4, arXiv:2011.13456.

use super::NoisyLikelihood;
use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::residual;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, InputError, per_sample_sum};
use tweedie_math::{Level, ParameterError};

/// The annealed likelihood of noisy states, for [`ScoreGuidance`](crate::posterior::ScoreGuidance).
///
/// It needs a linear measurement with Gaussian noise.
#[derive(Clone, Debug)]
pub struct Annealed<P> {
    problem: P,
    gamma: f64,
}

impl<P> Annealed<P> {
    /// Creates the likelihood with γ = 1.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            gamma: 1.0,
        }
    }

    /// Sets γ, the factor of the state's noise.
    ///
    /// # Errors
    /// [`ParameterError`] unless γ is finite.
    pub fn with_gamma(self, gamma: f64) -> Result<Self, ParameterError> {
        let gamma = ParameterError::require_finite("γ", gamma)?;
        Ok(Self { gamma, ..self })
    }

    fn variance<const D: usize>(&self, level: Level) -> f64
    where
        P: LinearGaussian<D>,
    {
        self.problem.sigma().powi(2) + (self.gamma * level.noise_to_signal()).powi(2)
    }
}

impl<const D: usize, P: LinearGaussian<D>> NoisyLikelihood<D> for Annealed<P> {
    fn log_likelihood(&self, x: Tensor<D>, level: Level) -> Result<Tensor<1>, DenoiseError> {
        let residual = residual(&self.problem, x * (1.0 / level.alpha()))?;
        Ok(per_sample_sum(residual.square()) * (-0.5 / self.variance(level)))
    }

    fn score(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let residual = residual(&self.problem, x * (1.0 / level.alpha()))?;
        let back = self.problem.linear().adjoint(residual);
        Ok(back * (1.0 / (level.alpha() * self.variance(level))))
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)
    }
}
