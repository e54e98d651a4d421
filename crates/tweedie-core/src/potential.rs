//! A density `e^{−f/ε}` as a denoiser.
//!
//! Its score is `−∇f/ε`. With the temperature as the variance of a level, `α = 1` and `σ² = ε`,
//! Tweedie's formula gives `x̂₀ = x − ∇f(x)` at every level: a step of gradient descent. Langevin
//! dynamics that stays at the level `σ = 1` samples `e^{−f}`; along falling levels it is annealing,
//! which ends as gradient descent.
//!
//! # Reference
//! Peyré 2023, "Denoising diffusion models" (lecture notes), section 1; Geman & Hwang 1986
//! (annealing).

use crate::{DenoiseError, Denoiser, try_vjp};
use burn::tensor::Tensor;
use tweedie_math::Level;

/// The density `e^{−f/σ²}` at the level `(1, σ)`.
///
/// `f` maps states `[batch, …]` to `[batch]`, and has to be differentiable.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{DenoiserExt, Potential};
/// use tweedie_math::Level;
///
/// let bowl = Potential::new(|x: Tensor<2>| x.square().sum_dim(1).squeeze_dim(1));
/// let x = Tensor::<2>::from_floats([[1.0, -2.0]], &Device::flex());
/// let score = bowl.score(x, Level::variance_exploding(1.0)?)?;
/// assert_eq!(score.into_data().try_into_vec::<f32>()?, [-2.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Potential<F> {
    f: F,
}

impl<F> Potential<F> {
    /// Takes `f`.
    pub fn new(f: F) -> Self {
        Self { f }
    }

    /// `log p(x) = −f(x)/σ²`, up to a constant: `[batch]`.
    pub fn log_density<const D: usize>(&self, x: Tensor<D>, level: Level) -> Tensor<1>
    where
        F: Fn(Tensor<D>) -> Tensor<1>,
    {
        (self.f)(x) / -level.sigma().powi(2)
    }
}

impl<const D: usize, F: Fn(Tensor<D>) -> Tensor<1>> Denoiser<D> for Potential<F> {
    fn denoise(&self, x: Tensor<D>, _: Level) -> Result<Tensor<D>, DenoiseError> {
        let (value, pullback) = try_vjp(x.clone(), |x| {
            let value = (self.f)(x.clone());
            DenoiseError::unless_shape("the potential", &value.dims(), &x.dims()[..1])?;
            Ok::<_, DenoiseError>(value)
        })?;
        Ok(x - pullback.apply(value.ones_like()))
    }

    /// A potential has no signal that could shrink: `α = 1`.
    #[allow(clippy::float_cmp, reason = "α is 1 exactly on such a path")]
    fn supports(&self, level: Level) -> bool {
        level.alpha() == 1.0 && level.sigma() > 0.0
    }
}
