//! Twisting functions: approximations of `p(y | x_t)` for twisted sequential Monte Carlo.
//!
//! # Reference
//! Wu et al. 2023, arXiv:2306.17775.

use crate::measurement::{Likelihood, LinearGaussian, accepts_linear};
use crate::operator::Linear;
use crate::posterior::{posterior_variance, residual, solve_shifted};
use crate::values::widened;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, InputError, per_sample_sum, vjp};
use tweedie_math::{Level, ParameterError};

/// An approximation `p̃` of `p(y | x_t)` from the estimate `x̂₀(x_t)`.
///
/// It has to become the likelihood itself as the noise goes to 0.
pub trait Twist<const D: usize> {
    /// Returns `log p̃` of each sample, `[batch]`, and its gradient with respect to the estimate. A
    /// constant that depends on the level alone may be missing.
    ///
    /// # Errors
    /// [`DenoiseError`] if a linear system is not solved.
    fn twist(&self, clean: Tensor<D>, level: Level)
    -> Result<(Tensor<1>, Tensor<D>), DenoiseError>;

    /// Checks that the twist accepts signals of shape `signal`. A run calls this before it starts.
    ///
    /// # Errors
    /// [`InputError`] names what does not fit.
    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        let _ = signal;
        Ok(())
    }
}

/// The twist of DPS, `p̃ = p(y | x̂₀)`, for any likelihood.
impl<const D: usize, L: Likelihood<D>> Twist<D> for L {
    fn twist(&self, clean: Tensor<D>, _: Level) -> Result<(Tensor<1>, Tensor<D>), DenoiseError> {
        let (log, pullback) = vjp(clean, |clean| self.log_likelihood(clean));
        let gradient = pullback.apply(log.ones_like());
        Ok((log, gradient))
    }

    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        Likelihood::accepts(self, signal)
    }
}

/// The twist of ΠGDM: `p̃ = N(y; A x̂₀, r² A Aᵀ + σ_y² I)` with `r² = σ²/(α² + σ²/s²)`.
///
/// It needs a linear measurement with Gaussian noise.
#[derive(Clone, Debug)]
pub struct PigdmTwist<P> {
    problem: P,
    data_std: f64,
}

impl<P> PigdmTwist<P> {
    /// Creates the twist for data of standard deviation 1.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            data_std: 1.0,
        }
    }

    /// Sets the standard deviation `s` of the data.
    ///
    /// # Errors
    /// [`ParameterError`] unless `data_std` is above 0.
    pub fn with_data_std(self, data_std: f64) -> Result<Self, ParameterError> {
        let (name, legal) = ("the data's standard deviation", data_std > 0.0);
        let data_std = ParameterError::require(legal, name, "above 0", data_std)?;
        Ok(Self { data_std, ..self })
    }
}

impl<const D: usize, P: LinearGaussian<D>> Twist<D> for PigdmTwist<P> {
    fn twist(
        &self,
        clean: Tensor<D>,
        level: Level,
    ) -> Result<(Tensor<1>, Tensor<D>), DenoiseError> {
        let r2 = posterior_variance(level, self.data_std);
        let residual = residual(&self.problem, clean)?;
        log_marginal(
            self.problem.linear(),
            residual,
            r2,
            self.problem.sigma().powi(2),
        )
    }

    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, signal)
    }
}

/// `log N(r; 0, r² A Aᵀ + σ² I)` of each sample up to a constant, and `Aᵀ (r² A Aᵀ + σ² I)⁻¹ r`.
pub(super) fn log_marginal<const D: usize>(
    a: &dyn Linear<D>,
    residual: Tensor<D>,
    r2: f64,
    sigma2: f64,
) -> Result<(Tensor<1>, Tensor<D>), DenoiseError> {
    let seen = a.adjoint(residual.clone());
    if r2 == 0.0 {
        let log = per_sample_sum(widened(residual).square()) * (-0.5 / sigma2);
        return Ok((log, seen * (1.0 / sigma2)));
    }
    // `near` is r² Aᵀ u for u = (r² A Aᵀ + σ²)⁻¹ r. With it, rᵀ u = ‖r − A near‖²/σ² + ‖near‖²/r²,
    // in which nothing cancels.
    let near = solve_shifted(a, seen, sigma2 / r2)?;
    let rest = widened(residual - a.apply(near.clone())).square();
    let cost = per_sample_sum(rest) * (1.0 / sigma2)
        + per_sample_sum(widened(near.clone()).square()) * (1.0 / r2);
    Ok((cost * -0.5, near * (1.0 / r2)))
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::operator::Identity;
    use burn::tensor::{DType, Device};
    use tweedie_core::{HostNoise, Noise};

    /// With much less noise than spread, nothing cancels in single precision.
    #[test]
    fn small_noise_leaves_the_marginal_precise() {
        let like = Tensor::<2>::zeros([3, 4096], (&Device::flex(), DType::F64));
        let residual = HostNoise::seeded(1).normal_like(&like) * 0.5;
        let log = |residual| {
            let (log, _) = log_marginal(&Identity, residual, 0.25, 1e-8).expect("a marginal");
            log.into_data().iter::<f64>().collect::<Vec<_>>()
        };
        let (exact, found) = (log(residual.clone()), log(residual.cast(DType::F32)));
        for (exact, found) in exact.iter().zip(found) {
            assert!((exact - found).abs() < 0.05, "{exact} {found}");
        }
    }
}
