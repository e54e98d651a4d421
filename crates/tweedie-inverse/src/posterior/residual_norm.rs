//! The norm of the residual as a score of clean signals.

use super::residual;
use crate::measurement::widened;
use crate::measurement::{Likelihood, Measured};
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, InputError, per_sample_sum};

/// `−‖y − A x₀‖` for each sample, not squared: the score whose gradient has a size of its own,
/// however far the signal is from the measurement. [`Dps`](super::guidance::Dps) around it goes in
/// the direction of [`DpsStep`](super::correction::DpsStep), with another weight: a guided estimate
/// counts by as much as a move takes of it.
#[derive(Clone, Debug)]
pub struct ResidualNorm<P> {
    problem: P,
}

impl<P> ResidualNorm<P> {
    /// The distance of `A x₀` to what was measured.
    pub fn new(problem: P) -> Self {
        Self { problem }
    }
}

impl<const D: usize, P: Measured<D>> Likelihood<D> for ResidualNorm<P> {
    /// # Panics
    /// If the operator does not take such signals, or `y` is no measurement of them.
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

/// `‖y − A x₀‖` for each sample.
pub(super) fn residual_norm<const D: usize>(
    problem: &(impl Measured<D> + ?Sized),
    clean: Tensor<D>,
) -> Result<Tensor<1>, DenoiseError> {
    let residual = widened(problem.operator().observed(residual(problem, clean)?));
    // The norm has no gradient at 0; the smallest number gives it the gradient 0.
    let smallest = f64::from(f32::MIN_POSITIVE);
    Ok((per_sample_sum(residual.square()) + smallest).sqrt())
}
