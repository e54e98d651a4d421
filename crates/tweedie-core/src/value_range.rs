//! Between which values an image lies.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The range of an image's values. A noise level is stated in the same range.
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
    /// `[−1, 1]`, in which diffusion models are trained.
    #[default]
    Signed,
    /// `[0, 1]`.
    Unit,
}

/// How much red, green and blue count in the grey of a pixel: the luma of ITU-R BT.601, that of
/// JPEG.
pub const LUMA: [f64; 3] = [0.299, 0.587, 0.114];

impl ValueRange {
    /// Its least and its largest value.
    #[must_use]
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Self::Signed => (-1.0, 1.0),
            Self::Unit => (0.0, 1.0),
        }
    }

    /// Its length.
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
