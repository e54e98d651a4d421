//! JPEG compression: 8×8 blocks, cosine transform, quantisation by a table.
//!
//! Colours are converted to luma and chroma as in JFIF; chroma keeps its resolution (4:4:4).
//! Entropy coding is left out, since it is lossless. The operator returns the decoded image.
//!
//! The forward pass rounds exactly. Since rounding has no useful gradient, the backward pass takes
//! it as the identity (the *straight-through* estimator), so the gradient of the operator is the
//! identity. Unlike a codec, the operator does not round pixels and colours to bytes.
//!
//! # Reference
//! ITU-T T.81, annex K (tables) and A (transform); the scaling of the tables by a quality is that
//! of the Independent JPEG Group. Straight through: Bengio et al. 2013, arXiv:1308.3432.

use super::error::{OperatorError, fits, require};
use super::{Basis, Linear, Operator, Transform};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::{LUMA, ValueRange};
use tweedie_ops::Constant;

/// JPEG compression at a given quality.
///
/// Images are grey (1 channel) or red, green, blue (3 channels). Height and width are multiples of
/// 8.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "JpegRecipe", into = "JpegRecipe")]
pub struct Jpeg {
    recipe: JpegRecipe,
    blocks: Transform,
    /// The quantisation steps of luma, then of chroma, `[1, 1, 8, 8]`.
    steps: [Constant<4>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct JpegRecipe {
    quality: u8,
    range: ValueRange,
}

impl TryFrom<JpegRecipe> for Jpeg {
    type Error = OperatorError;

    fn try_from(recipe: JpegRecipe) -> Result<Self, OperatorError> {
        Self::new(recipe.quality, recipe.range)
    }
}

impl From<Jpeg> for JpegRecipe {
    fn from(jpeg: Jpeg) -> Self {
        jpeg.recipe
    }
}

/// Annex K, table K.1.
const LUMA_STEPS: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// Annex K, table K.2: the upper-left quarter; all other entries are 99.
const CHROMA_STEPS: [[u16; 4]; 4] = [
    [17, 18, 24, 47],
    [18, 21, 26, 66],
    [24, 26, 56, 99],
    [47, 66, 99, 99],
];

impl Jpeg {
    /// JPEG for images in `range`, at a quality from 1 to 100.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for another quality.
    pub fn new(quality: u8, range: ValueRange) -> Result<Self, OperatorError> {
        let valid = (1..=100).contains(&quality);
        require("quality", quality.into(), "from 1 to 100", valid)?;
        let scale = match u16::from(quality) {
            quality @ ..50 => 5000 / quality,
            quality => 200 - 2 * quality,
        };
        let step = |entry: u16| {
            let scaled = (u32::from(entry) * u32::from(scale) + 50) / 100;
            f64::from(scaled.clamp(1, 255))
        };
        let chroma = |i: usize| match (i / 8, i % 8) {
            (row @ ..4, column @ ..4) => CHROMA_STEPS[row][column],
            _ => 99,
        };
        let luma: Vec<f64> = LUMA_STEPS.iter().map(|&entry| step(entry)).collect();
        let chroma = (0..64).map(|i| step(chroma(i))).collect();
        Ok(Self {
            recipe: JpegRecipe { quality, range },
            blocks: Transform::new(Basis::Cosine, [8, 8])?,
            steps: [luma, chroma].map(|steps| Constant::new(steps, [1, 1, 8, 8])),
        })
    }

    /// Quantises channels that are centred at 0.
    fn channel(&self, x: Tensor<4>, steps: &Constant<4>) -> Tensor<4> {
        let [b, c, h, w] = x.dims();
        let blocks: Tensor<6> = x.reshape([b, c, h / 8, 8, w / 8, 8]).swap_dims(3, 4);
        let blocks: Tensor<4> = blocks.reshape([b * c * h * w / 64, 1, 8, 8]);
        let steps = steps.beside(&blocks);
        let exact = self.blocks.apply(blocks) / steps.clone();
        // Straight-through: the value is rounded, the gradient is that of `exact`.
        let lost = exact.clone().detach().round() - exact.clone().detach();
        let blocks = self.blocks.adjoint((exact + lost) * steps);
        let blocks: Tensor<6> = blocks.reshape([b, c, h / 8, w / 8, 8, 8]).swap_dims(3, 4);
        blocks.reshape([b, c, h, w])
    }
}

impl Operator<4> for Jpeg {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [_, c, h, w] = signal;
        let blocks = |n: usize| n > 0 && n.is_multiple_of(8);
        let holds = matches!(c, 1 | 3) && blocks(h) && blocks(w);
        fits("JPEG", &signal, holds, || {
            "1 or 3 channels, height and width multiples of 8".into()
        })?;
        Ok(signal)
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let bytes = self.recipe.range.convert(ValueRange::Unit, x) * 255.0;
        let [luma, chroma] = &self.steps;
        let decoded = match bytes.dims()[1] {
            1 => self.channel(bytes - 128.0, luma) + 128.0,
            _ => {
                let [r, g, b] = [0, 1, 2].map(|i| bytes.clone().narrow(1, i, 1));
                let [of_red, of_green, of_blue] = LUMA;
                let y = r.clone() * of_red + g * of_green + b.clone() * of_blue;
                let blue = self.channel((b - y.clone()) * (1.0 / 1.772), chroma);
                let red = self.channel((r - y.clone()) * (1.0 / 1.402), chroma);
                let y = self.channel(y - 128.0, luma) + 128.0;
                let green = y.clone()
                    - blue.clone() * (of_blue * 1.772 / of_green)
                    - red.clone() * (of_red * 1.402 / of_green);
                Tensor::cat(vec![y.clone() + red * 1.402, green, y + blue * 1.772], 1)
            }
        };
        // Clamp to bytes as a decoder does, with a straight-through gradient.
        let cut = decoded.clone().detach().clamp(0.0, 255.0) - decoded.clone().detach();
        ValueRange::Unit.convert(self.recipe.range, (decoded + cut) * (1.0 / 255.0))
    }
}
