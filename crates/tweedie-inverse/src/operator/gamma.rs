//! The response curve of a display or a film: `y = x^γ` on `[0, 1]`.

use super::Operator;
use super::error::{OperatorError, checked, require};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::ValueRange;

/// Raises an image, converted to `[0, 1]`, to the power γ.
///
/// Values are first clamped to `[10⁻⁶, 1]`, so that the slope stays finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Gamma {
    gamma: f64,
    range: ValueRange,
}

checked!(Gamma { gamma: f64, range: ValueRange } by Gamma::new);

impl Gamma {
    /// The power `gamma` for images in `range`. A γ above 1 darkens.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless γ is finite and above 0.
    pub fn new(gamma: f64, range: ValueRange) -> Result<Self, OperatorError> {
        require(
            "γ",
            gamma,
            "finite and above 0",
            gamma > 0.0 && gamma.is_finite(),
        )?;
        Ok(Self { gamma, range })
    }
}

impl<const D: usize> Operator<D> for Gamma {
    fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError> {
        Ok(signal)
    }

    fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D> {
        let unit = self.range.convert(ValueRange::Unit, x).clamp(1e-6, 1.0);
        let response = (unit.log() * self.gamma).exp();
        ValueRange::Unit.convert(self.range, response)
    }
}
