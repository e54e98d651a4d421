//! The norm of the residual as a score of clean signals.

use crate::measurement::{check_measured, widened};
use crate::noise::assert_measured;
use crate::{Likelihood, Operator};
use burn::tensor::Tensor;
use tweedie_core::{InputError, per_sample_sum};

/// `−‖y − A x₀‖` for each sample, not squared: the score whose gradient has a size of its own, however
/// far the signal is from the measurement. [`Dps`](crate::Dps) around it goes
/// in the direction of [`DpsStep`](crate::DpsStep), with another weight: a guided estimate counts by as much
/// as a move takes of it.
#[derive(Clone, Debug)]
pub struct ResidualNorm<const D: usize, A> {
    operator: A,
    y: Tensor<D>,
}

impl<const D: usize, A: Operator<D>> ResidualNorm<D, A> {
    /// The distance of `A x₀` to `y`; a `y` of batch 1 is shared.
    pub fn new(operator: A, y: Tensor<D>) -> Self {
        Self { operator, y }
    }
}

impl<const D: usize, A: Operator<D>> Likelihood<D> for ResidualNorm<D, A> {
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1> {
        norm(&self.operator, &self.y, clean) * -1.0
    }

    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        Ok(check_measured(&self.operator, &self.y, signal)?)
    }
}

/// `y − A x₀`.
///
/// # Panics
/// If `y` has neither the shape of `A x₀` nor that of one of its samples.
pub(crate) fn of<const D: usize>(
    operator: &(impl Operator<D> + ?Sized),
    y: Tensor<D>,
    clean: Tensor<D>,
) -> Tensor<D> {
    let mean = operator.apply(clean);
    assert_measured(&y, &mean);
    y - mean
}

/// `‖y − A x₀‖` for each sample.
pub(crate) fn norm<const D: usize>(
    operator: &impl Operator<D>,
    y: &Tensor<D>,
    clean: Tensor<D>,
) -> Tensor<1> {
    let residual = widened(operator.observed(of(operator, y.clone(), clean)));
    // The norm has no gradient at 0; the smallest number gives it the gradient 0.
    let smallest = f64::from(f32::MIN_POSITIVE);
    (per_sample_sum(residual.square()) + smallest).sqrt()
}
