//! Posterior methods: draws from `p(x₀ | y)` and point estimates, with a denoiser as the prior.
//!
//! * [`guidance`]: methods that wrap the denoiser. Each works with any sampler.
//! * [`correction`]: methods that wrap a step or a kernel. Each works with any step or kernel.
//! * [`chain`]: methods that make their own moves.
//!
//! The constructor of a method takes the denoiser, step or kernel that it wraps, if any, and a
//! measurement; `with_*` methods set options. A run checks the measurement against the operator,
//! the noise model and the shape of the signal before the first evaluation.

pub mod chain;
pub mod correction;
pub mod guidance;
mod residual_norm;

use crate::measurement::{LinearGaussian, LinearMeasured, Measured};
use crate::operator::Linear;
use crate::solver::Solution;
use crate::solver::conjugate_gradient::ConjugateGradient;
use burn::tensor::{Device, Tensor};
use tweedie_core::{DenoiseError, InputError};
use tweedie_math::Level;
use tweedie_samplers::StepError;

pub use chain::*;
pub use correction::*;
pub use guidance::*;
pub use residual_norm::ResidualNorm;

/// `y − A x`.
///
/// # Errors
/// [`DenoiseError`] if the operator does not accept the shape of `x`, or `y` does not have the
/// shape of its measurement.
fn residual<const D: usize>(
    problem: &(impl Measured<D> + ?Sized),
    x: Tensor<D>,
) -> Result<Tensor<D>, DenoiseError> {
    let (a, y) = (problem.operator(), problem.y());
    let expected = a.output_shape(x.dims()).map_err(InputError::from)?;
    let mut sample = expected;
    sample[0] = y.dims()[0];
    if sample[0] != 1 {
        sample[0] = expected[0];
    }
    DenoiseError::unless_shape("the measurement", &y.dims(), &sample)?;
    Ok(y - a.apply_unchecked(x))
}

/// `(AᵀA + shift)⁻¹ b`, in closed form if the operator has one. Otherwise by iterations that may
/// stop early: an estimate within a chain need not be exact.
fn solve_shifted<const D: usize>(
    a: &(impl Linear<D> + ?Sized),
    b: Tensor<D>,
    shift: f64,
) -> Result<Tensor<D>, DenoiseError> {
    accepted(a.solve_fitting(b, shift, early_stopping()))
}

/// `A⁺ y`, solved like `solve_shifted`.
fn pseudo_inverse<const D: usize>(
    a: &(impl Linear<D> + ?Sized),
    y: Tensor<D>,
) -> Result<Tensor<D>, DenoiseError> {
    accepted(a.pinv_fitting(y, early_stopping()))
}

/// Conjugate gradients that return their last iterate after 100 iterations.
fn early_stopping() -> ConjugateGradient {
    ConjugateGradient::default()
        .with_iterations(100)
        .with_early_stop(true)
}

/// Returns the solution, or an error if its residual is not finite.
fn accepted<const D: usize, E: Into<DenoiseError>>(
    solution: Result<Solution<D>, E>,
) -> Result<Tensor<D>, DenoiseError> {
    let Solution {
        x,
        iterations,
        residual,
    } = solution.map_err(Into::into)?;
    match residual {
        Some(residual) if !residual.is_finite() => Err(DenoiseError::Unsolved {
            residual,
            iterations,
        }),
        _ => Ok(x),
    }
}

/// The proximal step of the data term from `z`, `argmin ‖y − A x‖² + shift ‖x − z‖²`. It is
/// computed as `z + (AᵀA + shift)⁻¹ Aᵀ (y − A z)`, in which no large terms cancel.
fn proximal_step<const D: usize>(
    problem: &(impl LinearGaussian<D> + ?Sized),
    z: Tensor<D>,
    shift: f64,
) -> Result<Tensor<D>, DenoiseError> {
    let a = problem.linear();
    let residual = residual(problem, z.clone())?;
    Ok(z + solve_shifted(a, a.adjoint(residual), shift)?)
}

/// `A⁺ y` for each sample of a batch, where point estimates start.
fn start_at_pseudo_inverse<const D: usize>(
    problem: &(impl LinearMeasured<D> + ?Sized),
    shape: [usize; D],
    device: &Device,
) -> Result<Tensor<D>, StepError> {
    problem.accepts(shape)?;
    let y = problem.y().to_device(device);
    Ok(pseudo_inverse(problem.linear(), y)?.expand(shape))
}

/// `Var[x₀ | x_t] = σ²/(α² + σ²/s²)` for data `N(0, s² I)`.
fn posterior_variance(level: Level, data_std: f64) -> f64 {
    level.sigma().powi(2) / (level.alpha().powi(2) + (level.sigma() / data_std).powi(2))
}
