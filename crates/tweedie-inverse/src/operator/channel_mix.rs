//! Colour: a matrix mixes the channels of every pixel.
//!
//! `y_k = Σ_c M_kc x_c`. The singular value decomposition of `M` gives that of the operator.

use super::error::{OperatorError, checked, finite, fits, matrix};
use super::spectral::{Spectral, closed_form};
use super::svd::Factors;
use super::{Linear, Operator, Solution, SolveError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use tweedie_core::LUMA;
use tweedie_ops::Constant;

/// A linear mix of channels: `[b, c, h, w]` to `[b, k, h, w]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{ChannelMix, Operator};
///
/// let grey = ChannelMix::grey().apply(Tensor::ones([1, 3, 4, 4], &Device::flex()));
/// assert_eq!(grey.dims(), [1, 1, 4, 4]);
/// assert!((grey.mean().into_scalar::<f32>() - 1.0).abs() < 1e-6);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct ChannelMix {
    matrix: Constant<2>,
    #[serde(skip)]
    factors: OnceLock<Factors>,
}

checked!(ChannelMix { matrix: Constant<2> } by ChannelMix::of);

impl PartialEq for ChannelMix {
    fn eq(&self, other: &Self) -> bool {
        self.matrix == other.matrix
    }
}

impl ChannelMix {
    /// Mixes channels by the rows of a matrix, one row per output channel.
    ///
    /// # Errors
    /// [`OperatorError`] for no rows, rows of different lengths, or values that are not finite.
    pub fn new(rows: &[Vec<f64>]) -> Result<Self, OperatorError> {
        Self::of(matrix("a row of the mixing matrix", rows)?)
    }

    fn of(matrix: Constant<2>) -> Result<Self, OperatorError> {
        finite("mixing weight", &matrix)?;
        Ok(Self {
            matrix,
            factors: OnceLock::new(),
        })
    }

    /// The luma of red, green and blue, [`LUMA`]: 0.299, 0.587, 0.114 (ITU-R BT.601).
    #[must_use]
    pub fn grey() -> Self {
        Self {
            matrix: Constant::new(LUMA.to_vec(), [1, 3]),
            factors: OnceLock::new(),
        }
    }

    /// The mean of all channels.
    ///
    /// # Errors
    /// [`OperatorError::Length`] for no channels.
    pub fn mean(channels: usize) -> Result<Self, OperatorError> {
        Self::new(&[vec![1.0 / channels.max(1) as f64; channels]])
    }

    fn factors(&self) -> &Factors {
        self.factors.get_or_init(|| Factors::of(&self.matrix))
    }

    fn check(found: [usize; 4], from: usize, to: usize) -> Result<[usize; 4], OperatorError> {
        fits("mix", &found, found[1] == from, || {
            format!("[batch, {from}, height, width]")
        })?;
        Ok([found[0], to, found[2], found[3]])
    }
}

/// `M x` in every pixel.
fn mix(matrix: Tensor<2>, x: Tensor<4>) -> Tensor<4> {
    let ([b, c, h, w], [k, _]) = (x.dims(), matrix.dims());
    let flat: Tensor<3> = x.reshape([b, c, h * w]);
    matrix.unsqueeze::<3>().matmul(flat).reshape([b, k, h, w])
}

impl Operator<4> for ChannelMix {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [to, from] = self.matrix.shape();
        Self::check(signal, from, to)
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        mix(self.matrix.beside(&x), x)
    }
}

impl Linear<4> for ChannelMix {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [from, to] = self.matrix.shape();
        Self::check(measured, from, to)
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        mix(self.matrix.beside(&y).transpose(), y)
    }

    closed_form!(4);
}

impl Spectral<4> for ChannelMix {
    fn singular_values(&self, like: &Tensor<4>) -> Tensor<4> {
        let values = self.factors().values.clone();
        let channels = values.len();
        Constant::new(values, [1, channels, 1, 1]).beside(like)
    }

    fn signal_to_spectrum(&self, x: Tensor<4>) -> Tensor<4> {
        mix(self.factors().right.beside(&x).transpose(), x)
    }

    fn spectrum_to_signal(&self, c: Tensor<4>) -> Tensor<4> {
        mix(self.factors().right.beside(&c), c)
    }

    fn measured_to_spectrum(&self, y: Tensor<4>) -> Tensor<4> {
        mix(self.factors().left.beside(&y).transpose(), y)
    }

    fn spectrum_to_measured(&self, c: Tensor<4>) -> Tensor<4> {
        mix(self.factors().left.beside(&c), c)
    }
}
