//! High dynamic range: a sensor that saturates, `y = clip(gain · x)`.
//!
//! # Reference
//! Mardani et al. 2023 (RED-diff), arXiv:2305.04391: `clip(2 x, −1, 1)` for images in `[−1, 1]`.

use super::Operator;
use super::error::{OperatorError, checked, require};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::ValueRange;

/// Multiplies by a gain and clamps to the range.
///
/// The gradient of clamped values is 0. In the signed range the gain scales about mid-grey, as in
/// the source, not about black.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Saturation {
    gain: f64,
    range: ValueRange,
}

checked!(Saturation { gain: f64, range: ValueRange } by Saturation::new);

impl Saturation {
    /// A sensor with gain `gain`, for images in `range`.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless the gain is finite and above 0.
    pub fn new(gain: f64, range: ValueRange) -> Result<Self, OperatorError> {
        require(
            "gain",
            gain,
            "finite and above 0",
            gain > 0.0 && gain.is_finite(),
        )?;
        Ok(Self { gain, range })
    }
}

impl<const D: usize> Operator<D> for Saturation {
    fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError> {
        Ok(signal)
    }

    fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D> {
        let (low, high) = self.range.bounds();
        (x * self.gain).clamp(low, high)
    }
}
