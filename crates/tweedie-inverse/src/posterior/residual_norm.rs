//! The negative residual norm as a log-likelihood of clean signals.

use super::residual;
use crate::measurement::{Likelihood, Measured};
use crate::values::widened;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, InputError, per_sample_sum};

/// The log-likelihood `−‖y − A x₀‖` of each sample, with the norm not squared. Photon counts have
/// the norm `‖·‖_Λ` with `Λ = 1/(2y)`, by [`weights`](crate::noise::NoiseModel::weights).
///
/// The size of its gradient does not depend on the size of the residual.
/// [`Dps`](super::guidance::Dps) with this likelihood corrects in the direction of
/// [`DpsStep`](super::correction::DpsStep), but with a different weight: a move multiplies the
/// guided estimate by its coefficient of `x̂₀`.
#[derive(Clone, Debug)]
pub struct ResidualNorm<P> {
    problem: P,
}

impl<P> ResidualNorm<P> {
    /// Creates the likelihood of a measurement.
    pub fn new(problem: P) -> Self {
        Self { problem }
    }
}

impl<const D: usize, P: Measured<D>> Likelihood<D> for ResidualNorm<P> {
    /// # Panics
    /// If the operator does not accept the shape of `clean`, or `y` does not have the shape of its
    /// measurement.
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1> {
        match residual_norm(&self.problem, clean) {
            Ok(norm) => norm * -1.0,
            Err(error) => panic!("{error}"),
        }
    }

    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        self.problem.accepts(signal)
    }
}

/// `‖y − A x₀‖` of each sample, `[batch]`; with the norm `‖·‖_Λ` if the noise has weights.
pub(super) fn residual_norm<const D: usize>(
    problem: &(impl Measured<D> + ?Sized),
    clean: Tensor<D>,
) -> Result<Tensor<1>, DenoiseError> {
    let residual = widened(problem.operator().observed(residual(problem, clean)?));
    let squares = match problem.weights() {
        None => residual.square(),
        Some(weights) => residual.square() * widened(weights),
    };
    // The norm has no gradient at 0. Adding the smallest normal `f32` makes the gradient 0 there.
    let smallest = f64::from(f32::MIN_POSITIVE);
    Ok((per_sample_sum(squares) + smallest).sqrt())
}
