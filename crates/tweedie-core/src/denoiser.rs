//! What we believe about the clean signal: `x̂₀ = E[x₀ | x_t]`.

use crate::{DenoiseError, InputError, Pullback, try_vjp};
use burn::tensor::Tensor;
use tweedie_math::Level;

/// Estimates the clean signal from a noisy one: `E[x₀ | x_t]` for `x_t = α x₀ + σ ε`.
///
/// `x` has shape `[batch, …]`; the whole batch is at one level. Samples are independent: what is
/// said of one does not depend on its neighbours.
pub trait Denoiser<const D: usize> {
    /// The estimate of the clean signal, in the shape of `x`.
    ///
    /// # Errors
    /// [`DenoiseError`] if there is none.
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError>;

    /// The estimate with what is known of its variance, from one evaluation.
    ///
    /// # Errors
    /// As [`denoise`](Self::denoise).
    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        Ok(Posterior {
            clean: self.denoise(x, level)?,
            interpolation: None,
        })
    }

    /// Whether the estimate exists at `level`. A sampler asks this of every level on its path that
    /// it starts a reverse move from, before the first; a network that predicts noise, for
    /// instance, says nothing about a signal of which nothing is left.
    fn supports(&self, level: Level) -> bool {
        let _ = level;
        true
    }

    /// Whether it takes states of a shape, and its parameters are in their ranges. A sampler asks
    /// this before the first evaluation.
    ///
    /// # Errors
    /// [`InputError`] says what does not fit.
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let _ = shape;
        Ok(())
    }
}

/// The clean estimate and, from a network with learned variance, the variance of an ancestral step.
#[derive(Clone, Debug)]
pub struct Posterior<const D: usize> {
    /// `x̂₀`, in the shape of `x`.
    pub clean: Tensor<D>,
    /// Where the step's log-variance lies between `ln β̃` (0) and `ln β` (1), for every value; none
    /// if the denoiser does not say.
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

/// Tweedie's formula, read in every direction. Not finite where `σ = 0`.
pub trait DenoiserExt<const D: usize>: Denoiser<D> {
    /// The noise in `x`: `ε̂ = (x − α x̂₀)/σ`.
    ///
    /// # Errors
    /// As [`denoise`](Denoiser::denoise).
    fn noise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let clean = self.denoise(x.clone(), level)?;
        Ok((x - clean * level.alpha()) / level.sigma())
    }

    /// The score `∇ log p(x_t) = −ε̂/σ`.
    ///
    /// # Errors
    /// As [`denoise`](Denoiser::denoise).
    fn score(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        Ok(self.noise(x, level)? / -level.sigma())
    }

    /// The velocity `(α ε̂ − σ x̂₀)/√(α² + σ²)`.
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

/// `x̂₀(x)` and the transposed Jacobian there.
///
/// # Errors
/// [`DenoiseError::Untracked`] if the estimate has no gradient: a denoiser that is itself guided
/// cuts it off.
pub fn linearised<const D: usize>(
    denoiser: &(impl Denoiser<D> + ?Sized),
    x: Tensor<D>,
    level: Level,
) -> Result<(Tensor<D>, Pullback<D, D>), DenoiseError> {
    try_vjp(x, |x| tracked(denoiser, x, level))
}

/// `x̂₀(x)`, of which a gradient is going to be taken.
///
/// # Errors
/// [`DenoiseError::Untracked`] if the estimate has none.
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

/// A closure as a [`Denoiser`]; made by [`from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F>(F);

/// Makes a denoiser of a closure; [`try_from_fn`] of one that may fail.
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

/// A closure that may fail as a [`Denoiser`]; made by [`try_from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct TryFromFn<F>(F);

/// Makes a denoiser of a closure that may fail.
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
