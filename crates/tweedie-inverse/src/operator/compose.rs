//! The composition of two operators.

use super::{Linear, Operator, OperatorError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The composition `x ↦ B (A x)`.
///
/// Equations are solved by conjugate gradients, since in general `(B A)⁺` is not `A⁺ B⁺`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{AveragePool, Blur, Operator, Padding, PointSpread};
///
/// let blur = Blur::new(PointSpread::gaussian(1.0)?, Padding::Reflect);
/// let camera = blur.then(AveragePool::new(2)?);
/// assert_eq!(camera.apply(Tensor::ones([1, 3, 8, 8], &Device::flex())).dims(), [1, 3, 4, 4]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compose<A, B> {
    first: A,
    next: B,
}

impl<A, B> Compose<A, B> {
    /// Applies `first`, then `next`.
    #[must_use]
    pub fn new(first: A, next: B) -> Self {
        Self { first, next }
    }

    /// The first and the next operator.
    #[must_use]
    pub fn into_parts(self) -> (A, B) {
        (self.first, self.next)
    }
}

impl<const D: usize, A: Operator<D>, B: Operator<D>> Operator<D> for Compose<A, B> {
    fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError> {
        self.next.output_shape(self.first.output_shape(signal)?)
    }

    fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D> {
        self.next.apply_unchecked(self.first.apply_unchecked(x))
    }

    fn observed(&self, y: Tensor<D>) -> Tensor<D> {
        self.next.observed(y)
    }
}

impl<const D: usize, A: Linear<D>, B: Linear<D>> Linear<D> for Compose<A, B> {
    fn input_shape(&self, measured: [usize; D]) -> Result<[usize; D], OperatorError> {
        self.first.input_shape(self.next.input_shape(measured)?)
    }

    fn adjoint_unchecked(&self, y: Tensor<D>) -> Tensor<D> {
        self.first.adjoint_unchecked(self.next.adjoint_unchecked(y))
    }
}
