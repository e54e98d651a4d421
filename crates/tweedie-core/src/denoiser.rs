//! Denoisers: estimates `x̂₀ = E[x₀ | x_t]` of the clean signal.

use crate::{DenoiseError, InputError, Pullback, try_vjp};
use burn::tensor::Tensor;
use tweedie_math::Level;

/// Estimates the clean signal from a noisy one: `E[x₀ | x_t]` for `x_t = α x₀ + σ ε`.
///
/// `x` has shape `[batch, …]`, and the whole batch is at one level. The estimate of a sample must
/// not depend on the other samples.
pub trait Denoiser<const D: usize> {
    /// Returns the estimate of the clean signal, in the shape of `x`.
    ///
    /// # Errors
    /// [`DenoiseError`] if the estimate cannot be computed.
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError>;

    /// Returns the estimate and, if available, its learned variance, from one evaluation.
    ///
    /// # Errors
    /// As [`denoise`](Self::denoise).
    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        Ok(Posterior {
            clean: self.denoise(x, level)?,
            interpolation: None,
        })
    }

    /// Returns whether the estimate exists at `level`.
    ///
    /// Before the first move, a sampler checks every level at which a reverse move starts. For
    /// example, a network that predicts noise has no estimate at `α = 0`.
    fn supports(&self, level: Level) -> bool {
        let _ = level;
        true
    }

    /// Checks the shape of the states and the parameters of the denoiser.
    ///
    /// Samplers call this before the first evaluation.
    ///
    /// # Errors
    /// [`InputError`] describes the mismatch.
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let _ = shape;
        Ok(())
    }
}

/// The clean estimate and, for networks with learned variance, the variance of an ancestral step.
#[derive(Clone, Debug)]
pub struct Posterior<const D: usize> {
    /// `x̂₀`, in the shape of `x`.
    pub clean: Tensor<D>,
    /// The interpolation weight of the step's log-variance between `ln β̃` (0) and `ln β` (1), per
    /// value.
    ///
    /// `None` if the denoiser has no learned variance.
    pub interpolation: Option<Tensor<D>>,
}

impl<const D: usize, T: Denoiser<D> + ?Sized> Denoiser<D> for &T {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        (**self).denoise(x, level)
    }
    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        (**self).estimate(x, level)
    }
    fn supports(&self, level: Level) -> bool {
        (**self).supports(level)
    }
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        (**self).accepts(shape)
    }
}

impl<const D: usize, T: Denoiser<D> + ?Sized> Denoiser<D> for Box<T> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        (**self).denoise(x, level)
    }
    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        (**self).estimate(x, level)
    }
    fn supports(&self, level: Level) -> bool {
        (**self).supports(level)
    }
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        (**self).accepts(shape)
    }
}

/// Tweedie's formula as noise, score and velocity. The results are not finite at `σ = 0`.
pub trait DenoiserExt<const D: usize>: Denoiser<D> {
    /// Returns the noise in `x`: `ε̂ = (x − α x̂₀)/σ`.
    ///
    /// # Errors
    /// As [`denoise`](Denoiser::denoise).
    fn noise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let clean = self.denoise(x.clone(), level)?;
        Ok((x - clean * level.alpha()) / level.sigma())
    }

    /// Returns the score `∇ log p(x_t) = −ε̂/σ`.
    ///
    /// # Errors
    /// As [`denoise`](Denoiser::denoise).
    fn score(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        Ok(self.noise(x, level)? / -level.sigma())
    }

    /// Returns the velocity `(α ε̂ − σ x̂₀)/√(α² + σ²)`.
    ///
    /// # Errors
    /// As [`denoise`](Denoiser::denoise).
    fn velocity(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let clean = self.denoise(x.clone(), level)?;
        let noise = (x - clean.clone() * level.alpha()) / level.sigma();
        Ok((noise * level.alpha() - clean * level.sigma()) / level.rms())
    }
}

impl<const D: usize, T: Denoiser<D> + ?Sized> DenoiserExt<D> for T {}

/// Returns `x̂₀(x)` and the transposed Jacobian at `x`.
///
/// # Errors
/// [`DenoiseError`] of the denoiser, or [`DenoiseError::Untracked`] if the estimate has no
/// gradient. A denoiser guided by a gradient, such as DPS, detaches its estimate.
pub fn linearised<const D: usize>(
    denoiser: &(impl Denoiser<D> + ?Sized),
    x: Tensor<D>,
    level: Level,
) -> Result<(Tensor<D>, Pullback<D, D>), DenoiseError> {
    try_vjp(x, |x| tracked(denoiser, x, level))
}

/// Returns `x̂₀(x)` and checks that it is tracked by autodiff.
///
/// # Errors
/// [`DenoiseError`] of the denoiser, or [`DenoiseError::Untracked`] if the estimate has no
/// gradient.
pub fn tracked<const D: usize>(
    denoiser: &(impl Denoiser<D> + ?Sized),
    x: Tensor<D>,
    level: Level,
) -> Result<Tensor<D>, DenoiseError> {
    let estimate = denoiser.denoise(x, level)?;
    match estimate.is_tracked() {
        true => Ok(estimate),
        false => Err(DenoiseError::Untracked),
    }
}

/// A closure as a [`Denoiser`], constructed by [`from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F>(F);

/// Returns a denoiser from a closure; see [`try_from_fn`] for closures that can fail.
///
/// ```
/// use burn::tensor::Tensor;
/// use tweedie_core::from_fn;
/// use tweedie_math::Level;
///
/// // Data N(0, I): x̂₀ = α x / (α² + σ²).
/// let denoiser = from_fn(|x: Tensor<4>, level: Level| x * (level.alpha() / level.rms().powi(2)));
/// ```
pub fn from_fn<const D: usize, F: Fn(Tensor<D>, Level) -> Tensor<D>>(f: F) -> FromFn<F> {
    FromFn(f)
}

impl<const D: usize, F: Fn(Tensor<D>, Level) -> Tensor<D>> Denoiser<D> for FromFn<F> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        Ok((self.0)(x, level))
    }
}

/// A closure that can fail as a [`Denoiser`], constructed by [`try_from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct TryFromFn<F>(F);

/// Returns a denoiser from a closure that can fail.
///
/// ```
/// use burn::tensor::Tensor;
/// use tweedie_core::{DenoiseError, try_from_fn};
/// use tweedie_math::Level;
///
/// let remote = try_from_fn(|_: Tensor<4>, _: Level| -> Result<Tensor<4>, DenoiseError> {
///     Err(DenoiseError::Failed("the server does not answer".into()))
/// });
/// ```
pub fn try_from_fn<const D: usize, F>(f: F) -> TryFromFn<F>
where
    F: Fn(Tensor<D>, Level) -> Result<Tensor<D>, DenoiseError>,
{
    TryFromFn(f)
}

impl<const D: usize, F> Denoiser<D> for TryFromFn<F>
where
    F: Fn(Tensor<D>, Level) -> Result<Tensor<D>, DenoiseError>,
{
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        (self.0)(x, level)
    }
}
