//! Posterior methods: draws from `p(x₀ | y)` and point estimates, with a denoiser as the prior.
//!
//! Methods that wrap the denoiser work with every sampler:
//!
//! | [`guidance`] | estimate |
//! |---|---|
//! | [`Dps`] | `x̂₀ + (σ²/α) ∇ log p(y ∣ x̂₀(x_t))`; with [`ResidualNorm`], the gradient of `−‖y − A x̂₀‖` instead |
//! | [`Pigdm`], [`Mmps`], [`Tmpd`] | `p(y \| x_t)` with `Cov[x₀ \| x_t]` as `r² I`, exact, or with `A V Aᵀ` replaced by its row sums |
//! | [`Lgd`], [`Dpg`] | `p(y \| x_t)` as a Monte Carlo mean over `N(x̂₀, r² I)`, for any likelihood; without its gradient |
//! | [`Ddnm`] | `x̂₀ + A⁺ (y − A x̂₀)` |
//! | [`DiffPir`] | the proximal step of the data term |
//! | [`ScoreGuidance`] | `x̂₀ + (σ²/α) ∇ log p(y \| x_t)`, with a [`NoisyLikelihood`]: [`Classifier`], [`Annealed`] |
//!
//! Corrections wrap a step or a kernel and correct its moves. Chains make their own moves:
//!
//! | [`correction`] | around |
//! |---|---|
//! | [`DpsStep`], [`PigdmStep`], [`Mcg`]: as published; [`Psld`]: in latents | a kernel |
//! | [`RePaint`]: replacement; [`Ilvr`]: low frequencies of a reference | any step |
//! | [`DdnmPlus`]: in the operator's spectrum | a kernel |
//! | [`Resample`]: estimates fitted to the measurement now and then | a kernel |
//! | [`Scg`]: the best of several moves; [`EnKg`]: ensembles; both without derivatives | a kernel |
//! | [`TwistedSmc`]: particles weighted by a [`Twist`]; [`McgDiff`], [`FpsSmc`]: without gradients | a kernel |
//!
//! | [`chain`] | result |
//! |---|---|
//! | [`Ddrm`]: in the operator's spectrum | posterior draws |
//! | [`Daps`], [`PnpDm`]: alternate between prior and measurement | posterior draws |
//! | [`PnpUla`], [`SkRock`]: Langevin dynamics with a denoiser | posterior draws |
//! | [`FlowDps`], [`Sitcom`]: estimates that fit the measurement, noised again | posterior draws |
//! | [`RedDiff`], [`Dpir`], [`Red`], [`PnpGradient`], [`PnpAdmm`], [`PnpFlow`] | point estimates |
//!
//! In latents of an autoencoder, [`Decode`] comes before the operator.
//!
//! For denoising, [`Measurement::reverse`](crate::measurement::Measurement::reverse) starts the
//! reverse process at the measurement.
//!
//! The constructor of a method takes the denoiser, step or kernel that it wraps, if any, and a
//! measurement; `with_*` methods set options. A run checks the measurement against the operator,
//! the noise model and the shape of the signal before the first evaluation.

pub mod chain;
pub mod correction;
mod decode;
pub mod guidance;
mod residual_norm;

use crate::measurement::{LinearGaussian, LinearMeasured, Measured};
use crate::operator::Linear;
use crate::solver::{ConjugateGradient, Solution};
use crate::values::widened;
use burn::tensor::{Device, Tensor};
use tweedie_core::{DenoiseError, InputError, per_sample_sum};
use tweedie_math::Level;
use tweedie_samplers::StepError;

pub use chain::*;
pub use correction::*;
pub use decode::Decode;
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

/// `‖y − A x‖²` of each sample, and which samples have a root mean square residual above
/// `tolerance`, as factors 1 and 0. Entries that the operator never measures do not count.
fn misfit<const D: usize>(
    problem: &(impl Measured<D> + ?Sized),
    x: Tensor<D>,
    tolerance: f64,
) -> Result<(Tensor<1>, Vec<f64>), DenoiseError> {
    let residual = problem.operator().observed(residual(problem, x)?);
    if tolerance == 0.0 {
        // Without a tolerance nothing is read from the device.
        let all = vec![1.0; residual.dims()[0]];
        return Ok((per_sample_sum(widened(residual).square()), all));
    }
    let ones = residual.clone().without_autodiff().ones_like();
    let count = per_sample_sum(widened(problem.operator().observed(ones)));
    let squares = per_sample_sum(widened(residual).square());
    let (found, count) = (squares.clone().without_autodiff(), count.into_data());
    let pairs = found.into_data();
    let pairs = pairs.iter::<f64>().zip(count.iter::<f64>());
    let above = pairs.map(|(squares, count)| f64::from(squares > tolerance.powi(2) * count));
    Ok((squares, above.collect()))
}

/// `(AᵀA + shift)⁻¹ b`, in closed form if the operator has one. Otherwise by iterations that may
/// stop early: an estimate within a chain need not be exact.
fn solve_shifted<const D: usize>(
    a: &(impl Linear<D> + ?Sized),
    b: Tensor<D>,
    shift: f64,
) -> Result<Tensor<D>, DenoiseError> {
    accepted(a.solve_unchecked(b, shift, early_stopping()))
}

/// `A⁺ y`, solved like `solve_shifted`.
fn pseudo_inverse<const D: usize>(
    a: &(impl Linear<D> + ?Sized),
    y: Tensor<D>,
) -> Result<Tensor<D>, DenoiseError> {
    accepted(a.pinv_unchecked(y, early_stopping()))
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

/// `(AᵀA + σ_y²)⁻¹ Aᵀ y`, the posterior mean for the prior `N(0, I)`, for each sample of a batch.
///
/// For an operator with small singular values, such as a blur, `A⁺ y` is amplified noise.
fn start_at_least_squares<const D: usize>(
    problem: &(impl LinearGaussian<D> + ?Sized),
    shape: [usize; D],
    device: &Device,
) -> Result<Tensor<D>, StepError> {
    problem.accepts(shape)?;
    let (a, y) = (problem.linear(), problem.y().to_device(device));
    let shift = problem.sigma().powi(2);
    match shift >= f64::from(f32::MIN_POSITIVE) {
        true => Ok(solve_shifted(a, a.adjoint(y), shift)?.expand(shape)),
        false => Ok(pseudo_inverse(a, y)?.expand(shape)),
    }
}

/// `Var[x₀ | x_t] = σ²/(α² + σ²/s²)` for data `N(0, s² I)`.
fn posterior_variance(level: Level, data_std: f64) -> f64 {
    level.sigma().powi(2) / (level.alpha().powi(2) + (level.sigma() / data_std).powi(2))
}
