//! Kernels: the three coefficients of a reverse step.

mod ancestral;
mod ddim;
mod euler;
mod renoise;
mod reverse_diffusion;

use crate::{Level, MoveError, Transition};

pub use ancestral::{Ancestral, PosteriorVariance};
pub use ddim::Ddim;
pub use euler::{EulerMaruyama, EulerOde};
pub use renoise::Renoise;
pub use reverse_diffusion::ReverseDiffusion;

/// A sampler that evaluates the denoiser once per step.
///
/// The step from level `t` to level `s` is `x_s = state·x_t + clean·x̂₀ + noise·z`. A kernel is the
/// pure function that computes the three coefficients.
///
/// ```
/// use tweedie_math::{Kernel, Level, MoveError, Transition};
///
/// /// Renoises the estimate from scratch, as consistency models do.
/// struct Renoise;
///
/// impl Kernel for Renoise {
///     fn transition(&self, _: Level, to: Level) -> Result<Transition, MoveError> {
///         Ok(Transition { state: 0.0, clean: to.alpha(), noise: to.sigma() })
///     }
/// }
/// ```
pub trait Kernel {
    /// Returns the coefficients of the move from the level `from` to the level `to`.
    ///
    /// # Errors
    /// [`MoveError`] if the kernel does not support the move.
    fn transition(&self, from: Level, to: Level) -> Result<Transition, MoveError>;
}

impl<K: Kernel + ?Sized> Kernel for &K {
    fn transition(&self, from: Level, to: Level) -> Result<Transition, MoveError> {
        (**self).transition(from, to)
    }
}

impl<K: Kernel + ?Sized> Kernel for Box<K> {
    fn transition(&self, from: Level, to: Level) -> Result<Transition, MoveError> {
        (**self).transition(from, to)
    }
}
