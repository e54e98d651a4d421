//! Tikhonov: `argmin ‖y − A x‖²/σ_y² + ‖x − μ‖²/s²`, the posterior mean of a prior `N(μ, s² I)`.

use crate::measurement::LinearGaussian;
use crate::operator::error::require;
use crate::solver::SolveError;
use burn::tensor::Tensor;

/// Returns the posterior mean under the prior `N(mean, std² I)`, in the shape of `mean`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::baseline::tikhonov;
/// use tweedie_inverse::measurement::Measurement;
/// use tweedie_inverse::noise::GaussianNoise;
/// use tweedie_inverse::operator::Identity;
///
/// let y = Tensor::<2>::ones([1, 1], &Device::flex());
/// let measured = Measurement::new(Identity, GaussianNoise::new(1.0)?, y.clone());
/// let x = tikhonov(&measured, y.zeros_like(), 1.0)?;
/// assert_eq!(x.into_scalar::<f32>(), 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`SolveError`] if `std` is not finite and above 0, the shapes do not fit, or the iterations do
/// not converge.
pub fn tikhonov<const D: usize>(
    problem: &impl LinearGaussian<D>,
    mean: Tensor<D>,
    std: f64,
) -> Result<Tensor<D>, SolveError> {
    require(
        "prior's standard deviation",
        std,
        "finite and above 0",
        std > 0.0 && std.is_finite(),
    )?;
    let gamma = (std / problem.sigma()).powi(2);
    Ok(problem.linear().proximal(mean, problem.y(), gamma)?.x)
}
