//! Moment matching (MMPS): `x̂₀ + V Aᵀ (A V Aᵀ + σ_y² I)⁻¹ (y − A x̂₀)` with the prior's own
//! covariance `V = Cov[x₀ | x_t] = (σ²/α) ∂x̂₀/∂x_t`.
//!
//! `p(x₀ | x_t) ≈ N(x̂₀, V)` has the right mean and covariance, which is exact for every Gaussian
//! prior. `V` is never formed: conjugate gradients solve the equation, with one vector–Jacobian
//! product per iteration.
//!
//! # Reference
//! Rozet, Andry, Lanusse & Louppe 2024, "Learning Diffusion Priors from Observations by Expectation
//! Maximization", arXiv:2405.13712; Finzi et al. 2023 (by finite differences),
//! arXiv:2306.07526.

use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::{accepted, residual};
use crate::solver::ConjugateGradient;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError, linearised};
use tweedie_math::{Level, ParameterError};

/// The posterior denoiser of moment matching, for linear operators and Gaussian noise.
///
/// Each estimate costs at most `iterations + 1` denoiser evaluations, each with one vector–Jacobian
/// product.
///
/// The prior has to be differentiable in its input. Otherwise a move fails with
/// [`DenoiseError::Untracked`](tweedie_core::DenoiseError::Untracked).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Denoiser, oracle::Gaussian};
/// use tweedie_inverse::measurement::Measurement;
/// use tweedie_inverse::noise::GaussianNoise;
/// use tweedie_inverse::operator::Mask;
/// use tweedie_inverse::posterior::Mmps;
/// use tweedie_math::Level;
///
/// // It is exact on every Gaussian, correlations included.
/// let (device, level) = (Device::flex(), Level::new(0.6, 0.8)?);
/// let prior = Gaussian::full(&[1.0, -1.0], &[vec![0.5, 0.3], vec![0.3, 0.4]])?;
/// let exact = prior.posterior(&[vec![1.0, 0.0]], &[0.3], 0.2)?;
/// let kept = Tensor::<2>::from_floats([[1.0, 0.0]], &device).greater_scalar(0.5);
/// let y = Tensor::from_floats([[0.3, 0.0]], &device);
/// let measured = Measurement::new(Mask::new(kept), GaussianNoise::new(0.2)?, y);
/// let guided = Mmps::new(&prior, &measured);
/// let x = Tensor::<2>::from_floats([[0.4, 1.1]], &device);
/// let gap = guided.denoise(x.clone(), level)? - exact.denoise(x, level)?;
/// assert!(gap.abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mmps<M, P> {
    prior: M,
    problem: P,
    iterations: usize,
}

impl<M, P> Mmps<M, P> {
    /// Guides `prior` with a linear measurement with Gaussian noise, by at most 5 iterations.
    pub fn new(prior: M, problem: P) -> Self {
        Self {
            prior,
            problem,
            iterations: 5,
        }
    }

    /// Sets the maximum number of conjugate gradient iterations. The authors use 1 to 5.
    ///
    /// # Errors
    /// [`ParameterError`] if `iterations` is 0.
    pub fn with_iterations(self, iterations: usize) -> Result<Self, ParameterError> {
        let iterations = ParameterError::require_count("the number of iterations", iterations)?;
        Ok(Self { iterations, ..self })
    }
}

impl<const D: usize, M: Denoiser<D>, P: LinearGaussian<D>> Denoiser<D> for Mmps<M, P> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let a = self.problem.linear();
        let scale = level.sigma().powi(2) / level.alpha();
        // V is symmetric, so the vector–Jacobian product computes V v.
        let covariance = |v: Tensor<D>| {
            let (_, pullback) = linearised(&self.prior, x.clone(), level)?;
            Ok::<_, DenoiseError>(pullback.apply(v) * scale)
        };
        let (clean, pullback) = linearised(&self.prior, x.clone(), level)?;
        let residual = residual(&self.problem, clean.clone())?;
        let variance = self.problem.sigma().powi(2);
        let normal = |u: Tensor<D>| {
            let spread = a.apply(covariance(a.adjoint(u.clone()))?);
            Ok::<_, DenoiseError>(spread + u * variance)
        };
        let iterations = ConjugateGradient::default()
            .with_iterations(self.iterations)
            .with_early_stop(true);
        let u = accepted(iterations.try_invert(normal, Ok, residual))?;
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
