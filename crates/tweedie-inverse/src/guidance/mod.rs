//! Methods that bend the estimate: each is a denoiser around a denoiser.

mod annealed;
mod classifier;
mod ddnm;
mod diffpir;
mod dps;
mod lgd;
mod mmps;
mod pigdm;
mod score;
mod tmpd;

use crate::operator::solve::ConjugateGradient;
use crate::{Linear, LinearGaussian, Solution, SolveError, residual};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, Pullback, vjp};
use tweedie_math::Level;

pub use annealed::Annealed;
pub use classifier::Classifier;
pub use ddnm::Ddnm;
pub use diffpir::DiffPir;
pub use dps::Dps;
pub use lgd::Lgd;
pub use mmps::Mmps;
pub use pigdm::Pigdm;
pub use score::{Conditioned, NoisyLikelihood};
pub use tmpd::Tmpd;

/// `x̂₀(x)` and the transposed Jacobian there.
///
/// # Panics
/// If the estimate has no gradient: a denoiser that is itself guided cuts it off.
pub(crate) fn linearised<const D: usize>(
    prior: &(impl Denoiser<D> + ?Sized),
    x: Tensor<D>,
    level: Level,
) -> (Tensor<D>, Pullback<D, D>) {
    vjp(x, |x| tracked(prior, x, level))
}

/// `x̂₀(x)` with its gradient.
///
/// # Panics
/// If it has none.
fn tracked<const D: usize>(
    prior: &(impl Denoiser<D> + ?Sized),
    x: Tensor<D>,
    level: Level,
) -> Tensor<D> {
    let estimate = prior.denoise(x, level);
    assert!(
        estimate.is_tracked(),
        "the prior's estimate has no gradient: a guided denoiser cuts it off"
    );
    estimate
}

/// `(AᵀA + shift)⁻¹ b`: in closed form where there is one, and else by iterations that end early, as
/// an estimate within a chain may.
pub(crate) fn settled<const D: usize>(
    problem: &(impl LinearGaussian<D> + ?Sized),
    b: Tensor<D>,
    shift: f64,
) -> Tensor<D> {
    let not_finite = b.clone() * f64::NAN;
    found(
        problem.operator().solve_fitting(b, shift, early()),
        not_finite,
    )
}

/// `A⁺ y`, likewise.
pub(crate) fn settled_pinv<const D: usize>(
    operator: &(impl Linear<D> + ?Sized),
    y: Tensor<D>,
) -> Tensor<D> {
    // `Aᵀ y` has the shape of a signal.
    let not_finite = operator.adjoint(y.clone()) * f64::NAN;
    found(operator.pinv_fitting(y, early()), not_finite)
}

/// Iterations that end where they are after a hundred.
fn early() -> ConjugateGradient {
    ConjugateGradient::default()
        .with_iterations(100)
        .with_early_stop(true)
}

/// The proximal step of the data from `z`, `argmin ‖y − A x‖² + shift ‖x − z‖²`, which is
/// `z + (AᵀA + shift)⁻¹ Aᵀ (y − A z)`: in this form nothing large cancels.
pub(crate) fn data_step<const D: usize>(
    problem: &(impl LinearGaussian<D> + ?Sized),
    y: Tensor<D>,
    z: Tensor<D>,
    shift: f64,
) -> Tensor<D> {
    let a = problem.operator();
    let residual = residual::of(a, y, z.clone());
    z + settled(problem, a.adjoint(residual), shift)
}

/// The solution of an equation within a chain, or `not_finite` where there is none: iterations that may
/// end early fail only for a right-hand side that is not finite. The run then says that its state is not.
pub(crate) fn found<const D: usize>(
    solution: Result<Solution<D>, SolveError>,
    not_finite: Tensor<D>,
) -> Tensor<D> {
    solution.map_or(not_finite, |solution| solution.x)
}

/// `Var[x₀ | x_t]` of data `N(0, s² I)`: `σ²/(α² + σ²/s²)`.
pub(crate) fn posterior_variance(level: Level, data_std: f64) -> f64 {
    level.sigma().powi(2) / (level.alpha().powi(2) + (level.sigma() / data_std).powi(2))
}
