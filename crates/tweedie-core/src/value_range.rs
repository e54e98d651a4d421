//! The value range of an image.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The range of an image's values. Noise levels are given in the same range.
///
/// ```
/// use tweedie_core::ValueRange;
///
/// // σ = 0.05 on [−1, 1] is σ = 0.025 on [0, 1].
/// assert_eq!(ValueRange::Signed.sigma_in(ValueRange::Unit, 0.05), 0.025);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ValueRange {
    /// `[−1, 1]`, the usual range for training diffusion models.
    #[default]
    Signed,
    /// `[0, 1]`.
    Unit,
}

/// The weights of red, green and blue in luma (ITU-R BT.601), as in JPEG.
pub const LUMA: [f64; 3] = [0.299, 0.587, 0.114];

impl ValueRange {
    /// Returns the lower and the upper bound.
    #[must_use]
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Self::Signed => (-1.0, 1.0),
            Self::Unit => (0.0, 1.0),
        }
    }

    /// Returns the difference of the bounds.
    #[must_use]
    pub fn length(self) -> f64 {
        let (low, high) = self.bounds();
        high - low
    }

    /// Converts an image from this range to another.
    #[must_use]
    pub fn convert<const D: usize>(self, to: Self, x: Tensor<D>) -> Tensor<D> {
        if self == to {
            return x;
        }
        let ((low, _), (to_low, _)) = (self.bounds(), to.bounds());
        (x - low) * (to.length() / self.length()) + to_low
    }

    /// Converts a noise level from this range to another.
    #[must_use]
    pub fn sigma_in(self, to: Self, sigma: f64) -> f64 {
        sigma * to.length() / self.length()
    }
}
