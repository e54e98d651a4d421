//! Conditioning by a known likelihood of noisy states: `x̂₀ + w (σ²/α) ∇ log p(y | x_t)`.
//!
//! Bayes' rule for scores, `∇ log p(x_t | y) = ∇ log p(x_t) + ∇ log p(y | x_t)`, in Tweedie's
//! formula. The result is exact if the likelihood is. The prior is not differentiated.
//!
//! # Reference
//! Song et al. 2021, eq. 14 and appendix I, arXiv:2011.13456; Dhariwal & Nichol 2021 (`w`),
//! arXiv:2105.05233.

use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError, try_vjp};
use tweedie_math::{Level, ParameterError};

/// A log-likelihood of noisy states: a classifier trained on them, or an approximation.
pub trait NoisyLikelihood<const D: usize> {
    /// Returns `log p(y | x_t)` of each sample in nats, up to a constant: `[batch]`.
    ///
    /// # Errors
    /// [`DenoiseError`] if such states are not accepted.
    fn log_likelihood(&self, x: Tensor<D>, level: Level) -> Result<Tensor<1>, DenoiseError>;

    /// Returns `∇ log p(y | x_t)`.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    fn score(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let (value, pullback) = try_vjp(x, |x| self.log_likelihood(x, level))?;
        Ok(pullback.apply(value.ones_like()))
    }

    /// Checks that the likelihood accepts states of shape `shape`. A run calls this before it
    /// starts.
    ///
    /// # Errors
    /// [`InputError`] names what does not fit.
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let _ = shape;
        Ok(())
    }
}

impl<const D: usize, L: NoisyLikelihood<D> + ?Sized> NoisyLikelihood<D> for &L {
    fn log_likelihood(&self, x: Tensor<D>, level: Level) -> Result<Tensor<1>, DenoiseError> {
        (**self).log_likelihood(x, level)
    }
    fn score(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        (**self).score(x, level)
    }
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        (**self).accepts(shape)
    }
}

/// A prior conditioned on a [`NoisyLikelihood`].
#[derive(Clone, Debug)]
pub struct ScoreGuidance<M, L> {
    prior: M,
    likelihood: L,
    strength: f64,
}

impl<M, L> ScoreGuidance<M, L> {
    /// Conditions `prior` on `likelihood`, at strength 1.
    pub fn new(prior: M, likelihood: L) -> Self {
        Self {
            prior,
            likelihood,
            strength: 1.0,
        }
    }

    /// Sets the weight `w` of the likelihood's score; 1 is Bayes' rule. Values above 1 sharpen the
    /// posterior towards `y` (classifier guidance: 1 to 10).
    ///
    /// # Errors
    /// [`ParameterError`] unless `strength` is finite.
    pub fn with_strength(self, strength: f64) -> Result<Self, ParameterError> {
        let strength = ParameterError::require_finite("the strength", strength)?;
        Ok(Self { strength, ..self })
    }
}

impl<const D: usize, M: Denoiser<D>, L: NoisyLikelihood<D>> Denoiser<D> for ScoreGuidance<M, L> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let clean = self.prior.denoise(x.clone(), level)?;
        let score = self.likelihood.score(x, level)?;
        let guided = clean + score * (self.strength * level.sigma().powi(2) / level.alpha());
        // Through the prior alone, the gradient would lack the likelihood's part.
        Ok(guided.detach())
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
