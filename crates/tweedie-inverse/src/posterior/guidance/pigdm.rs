//! ΠGDM: `x̂₀ + w (σ²/α) Jᵀ Aᵀ (r² A Aᵀ + σ_y² I)⁻¹ (y − A x̂₀)` with `J = ∂x̂₀/∂x_t`.
//!
//! Tweedie's formula with `p(x₀ | x_t) ≈ N(x̂₀, r² I)`, hence
//! `p(y | x_t) ≈ N(A x̂₀, r² A Aᵀ + σ_y² I)`. The gradient is taken through the mean. This is exact
//! for data `N(μ, s² I)` with `r² = σ²/(α² + σ²/s²)`.
//!
//! # Reference
//! Song, Vahdat, Mardani & Kautz 2023, "Pseudoinverse-Guided Diffusion Models for Inverse
//! Problems", ICLR.

use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::{posterior_variance, residual, solve_shifted};
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError, linearised};
use tweedie_math::{Level, ParameterError};

/// The posterior denoiser of ΠGDM, for linear operators and Gaussian noise.
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
/// use tweedie_inverse::posterior::Pigdm;
/// use tweedie_math::Level;
///
/// // It is exact on an isotropic Gaussian of standard deviation s.
/// let (device, level) = (Device::flex(), Level::new(0.6, 0.8)?);
/// let prior = Gaussian::isotropic(&[1.0, -1.0], 0.5)?;
/// let exact = prior.posterior(&[vec![1.0, 0.0]], &[0.3], 0.2)?;
/// let kept = Tensor::<2>::from_floats([[1.0, 0.0]], &device).greater_scalar(0.5);
/// let y = Tensor::from_floats([[0.3, 0.0]], &device);
/// let measured = Measurement::new(Mask::new(kept), GaussianNoise::new(0.2)?, y);
/// let guided = Pigdm::new(&prior, &measured).with_data_std(0.5)?;
/// let x = Tensor::<2>::from_floats([[0.4, 1.1]], &device);
/// let gap = guided.denoise(x.clone(), level)? - exact.denoise(x, level)?;
/// assert!(gap.abs().max().into_scalar::<f32>() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It needs a linear operator and Gaussian noise. Other measurements do not compile:
///
/// ```
/// # use tweedie_core::Denoiser;
/// # use tweedie_inverse::measurement::Measurement;
/// # use tweedie_inverse::noise::GaussianNoise;
/// # use tweedie_inverse::operator::Mask;
/// # use tweedie_inverse::posterior::Pigdm;
/// type Seen = Measurement<4, Mask<4>, GaussianNoise>;
/// fn guided(prior: &dyn Denoiser<4>, seen: &Seen) -> impl Denoiser<4> {
///     Pigdm::new(prior, seen)
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use tweedie_core::Denoiser;
/// # use tweedie_inverse::measurement::Measurement;
/// # use tweedie_inverse::noise::PoissonNoise;
/// # use tweedie_inverse::operator::Mask;
/// # use tweedie_inverse::posterior::Pigdm;
/// type Seen = Measurement<4, Mask<4>, PoissonNoise>;
/// fn guided(prior: &dyn Denoiser<4>, seen: &Seen) -> impl Denoiser<4> {
///     Pigdm::new(prior, seen)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Pigdm<M, P> {
    prior: M,
    problem: P,
    data_std: f64,
    strength: f64,
}

impl<M, P> Pigdm<M, P> {
    /// Guides `prior` with a linear measurement with Gaussian noise, for data of standard deviation
    /// 1.
    pub fn new(prior: M, problem: P) -> Self {
        Self {
            prior,
            problem,
            data_std: 1.0,
            strength: 1.0,
        }
    }

    /// Sets the standard deviation `s` of the data, in the range of the prior. `∞` gives
    /// `r² = σ²/α²`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `data_std` is above 0.
    pub fn with_data_std(self, data_std: f64) -> Result<Self, ParameterError> {
        let (name, legal) = ("the data's standard deviation", data_std > 0.0);
        let data_std = ParameterError::require(legal, name, "above 0", data_std)?;
        Ok(Self { data_std, ..self })
    }

    /// Sets the strength `w` of the guidance; 1 is Tweedie's formula. The paper's samplers multiply
    /// the correction by a further `r²`, which varies with the level.
    ///
    /// # Errors
    /// [`ParameterError`] unless `strength` is finite.
    pub fn with_strength(self, strength: f64) -> Result<Self, ParameterError> {
        let strength = ParameterError::require_finite("the strength", strength)?;
        Ok(Self { strength, ..self })
    }
}

impl<const D: usize, M: Denoiser<D>, P: LinearGaussian<D>> Denoiser<D> for Pigdm<M, P> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let a = self.problem.linear();
        let (clean, pullback) = linearised(&self.prior, x, level)?;
        let r2 = posterior_variance(level, self.data_std);
        let residual = residual(&self.problem, clean.clone())?;
        // Aᵀ (r² A Aᵀ + σ_y²)⁻¹ = (r² AᵀA + σ_y²)⁻¹ Aᵀ
        let shift = self.problem.sigma().powi(2) / r2;
        let back = solve_shifted(a, a.adjoint(residual), shift)? * (1.0 / r2);
        let weight = self.strength * level.sigma().powi(2) / level.alpha();
        Ok(clean + pullback.apply(back) * weight)
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
