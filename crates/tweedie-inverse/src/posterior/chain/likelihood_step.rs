//! Draws from `p(y | x) N(x; c, r² I)`: the measurement half of split Gibbs samplers.

use crate::measurement::{Likelihood, LinearGaussian, accepts_linear};
use crate::operator::Linear;
use crate::posterior::solve_shifted;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, InputError, Noise, vjp};
use tweedie_math::ParameterError;

/// The likelihood step of split Gibbs sampling: draws from `p(y | x) N(x; centre, std² I)`.
pub trait LikelihoodStep<const D: usize> {
    /// Returns an exact or approximate draw from `p(y | x) N(x; centre, std² I)`.
    ///
    /// # Errors
    /// [`DenoiseError`] if a linear system is not solved.
    fn draw(
        &self,
        centre: Tensor<D>,
        std: f64,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, DenoiseError>;

    /// Checks that signals of shape `signal` are accepted. A run calls this before it starts.
    ///
    /// # Errors
    /// [`InputError`] names what does not fit.
    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        let _ = signal;
        Ok(())
    }
}

/// Perturb and solve, for a linear measurement with Gaussian noise:
/// `x = (AᵀA + σ_y²/r² I)⁻¹ (Aᵀ (y + σ_y n₁) + σ_y²/r² (c + r n₂))`.
///
/// The draw is exact if the operator solves this system in closed form. Otherwise at most 100
/// iterations approximate it.
///
/// # Reference
/// Papandreou & Yuille 2010, "Gaussian sampling by local perturbations".
impl<const D: usize, P: LinearGaussian<D>> LikelihoodStep<D> for P {
    fn draw(
        &self,
        centre: Tensor<D>,
        std: f64,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, DenoiseError> {
        perturb_and_solve(self.linear(), self.y(), self.sigma(), centre, std, noise)
    }

    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        accepts_linear(self, signal)
    }
}

/// A draw from `N(y; A x, σ² I) N(x; centre, std² I)`.
pub(crate) fn perturb_and_solve<const D: usize>(
    a: &dyn Linear<D>,
    y: Tensor<D>,
    sigma: f64,
    centre: Tensor<D>,
    std: f64,
    noise: &mut dyn Noise<D>,
) -> Result<Tensor<D>, DenoiseError> {
    let far = centre.clone() + noise.normal_like(&centre) * std;
    // The noise of y is white. Draw it in the shape of y: A z would have covariance A Aᵀ.
    let mean = a.apply(centre);
    let seen = y + noise.normal_like(&mean) * sigma;
    let residual = seen - a.apply(far.clone());
    Ok(far + solve_shifted(a, a.adjoint(residual), (sigma / std).powi(2))?)
}

/// Langevin dynamics, for any other likelihood:
/// `x ← x + ε (∇ log p(y | x) + (c − x)/r²) + √(2ε) z`, from `x = c`, with `ε = size/(L + 1/r²)`.
#[derive(Clone, Debug)]
pub struct LangevinLikelihoodStep<L> {
    likelihood: L,
    curvature: f64,
    steps: usize,
    size: f64,
}

impl<L> LangevinLikelihoodStep<L> {
    /// Creates the dynamics with 100 steps of size 0.1.
    ///
    /// `curvature` is `L`, the largest eigenvalue of `−∇² log p(y | x)`. It is `‖A‖²/σ_y²` for a
    /// linear operator and Gaussian noise.
    ///
    /// # Errors
    /// [`ParameterError`] unless `curvature` is finite and at least 0.
    pub fn new(likelihood: L, curvature: f64) -> Result<Self, ParameterError> {
        Ok(Self {
            likelihood,
            curvature: ParameterError::require_non_negative("the curvature", curvature)?,
            steps: 100,
            size: 0.1,
        })
    }

    /// Sets the number of steps.
    ///
    /// # Errors
    /// [`ParameterError`] if `steps` is 0.
    pub fn with_steps(self, steps: usize) -> Result<Self, ParameterError> {
        let steps = ParameterError::require_count("the number of steps", steps)?;
        Ok(Self { steps, ..self })
    }

    /// Sets the step size. A larger size increases the bias and decreases the correlation of draws.
    ///
    /// # Errors
    /// [`ParameterError`] unless `size` is finite and above 0.
    pub fn with_size(self, size: f64) -> Result<Self, ParameterError> {
        let size = ParameterError::require_positive("the step size", size)?;
        Ok(Self { size, ..self })
    }
}

impl<const D: usize, L: Likelihood<D>> LikelihoodStep<D> for LangevinLikelihoodStep<L> {
    fn draw(
        &self,
        centre: Tensor<D>,
        std: f64,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, DenoiseError> {
        let pull = std.powi(-2);
        let epsilon = self.size / (self.curvature + pull);
        let mut x = centre.clone();
        for _ in 0..self.steps {
            let (value, pullback) = vjp(x.clone(), |x| self.likelihood.log_likelihood(x));
            let score = pullback.apply(value.ones_like());
            let drift = score + (centre.clone() - x.clone()) * pull;
            let z = noise.normal_like(&x);
            x = x + drift * epsilon + z * (2.0 * epsilon).sqrt();
        }
        Ok(x)
    }

    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        self.likelihood.accepts(signal)
    }
}
