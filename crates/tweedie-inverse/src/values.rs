//! The values of a tensor: checked, and wide enough for sums.

use crate::operator::OperatorError;
use burn::tensor::{DType, Tensor};

/// Casts half precision to single precision, for sums over an image that exceed half precision.
pub(crate) fn widened<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match x.dtype() {
        DType::F16 | DType::BF16 => x.cast(DType::F32),
        _ => x,
    }
}

/// Checks that `x` is not empty and every value is finite.
pub(crate) fn finite_values<const D: usize>(
    name: &'static str,
    x: &Tensor<D>,
) -> Result<(), OperatorError> {
    if x.shape().num_elements() == 0 {
        return Err(OperatorError::Length {
            values: name,
            found: 0,
            expected: 1,
        });
    }
    // The sum is 0, unless a value is infinite or NaN.
    let zero = (x.clone() * 0.0).sum().into_scalar::<f64>();
    match zero == 0.0 {
        true => Ok(()),
        false => Err(OperatorError::Value {
            noise: name,
            value: zero,
            expected: "that are finite",
        }),
    }
}
