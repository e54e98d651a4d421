//! The selection of consecutive channels.

use super::error::{OperatorError, checked, fits, require};
use super::spectral::{Spectral, closed_form};
use super::{Linear, Operator, Solution, SolveError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_ops::Constant;

/// Keeps channels `first … first + count − 1` of `of`: `[b, of, h, w]` to `[b, count, h, w]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Channels {
    first: usize,
    count: usize,
    of: usize,
}

checked!(Channels { first: usize, count: usize, of: usize } by Channels::new);

impl Channels {
    /// Keeps `count` channels from channel `first` on, of signals with `of` channels.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a `count` of 0, a range that exceeds `of`, or an `of` above
    /// 65,536.
    pub fn new(first: usize, count: usize, of: usize) -> Result<Self, OperatorError> {
        let expected = "at most 65,536";
        require("number of all channels", of as f64, expected, of <= 1 << 16)?;
        let holds = count > 0 && first.checked_add(count).is_some_and(|end| end <= of);
        require(
            "number of channels",
            count as f64,
            "among those there are",
            holds,
        )?;
        Ok(Self { first, count, of })
    }

    /// Puts channels back in their places, with zeros in the others.
    fn placed(self, y: Tensor<4>) -> Tensor<4> {
        let [b, _, h, w] = y.dims();
        let zeros = |count| Tensor::zeros([b, count, h, w], (&y.device(), y.dtype()));
        let after = self.of - self.first - self.count;
        Tensor::cat(vec![zeros(self.first), y.clone(), zeros(after)], 1)
    }
}

impl Operator<4> for Channels {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [b, c, h, w] = signal;
        fits("channels", &signal, c == self.of, || {
            format!("[batch, {}, height, width]", self.of)
        })?;
        Ok([b, self.count, h, w])
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        x.narrow(1, self.first, self.count)
    }
}

impl Linear<4> for Channels {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [b, c, h, w] = measured;
        fits("channels", &measured, c == self.count, || {
            format!("[batch, {}, height, width]", self.count)
        })?;
        Ok([b, self.of, h, w])
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        self.placed(y)
    }

    closed_form!(4);
}

impl Spectral<4> for Channels {
    fn singular_values(&self, like: &Tensor<4>) -> Tensor<4> {
        let kept = self.first..self.first + self.count;
        let values = (0..self.of).map(|i| f64::from(kept.contains(&i)));
        Constant::new(values.collect(), [1, self.of, 1, 1]).beside(like)
    }

    fn signal_to_spectrum(&self, x: Tensor<4>) -> Tensor<4> {
        x
    }

    fn spectrum_to_signal(&self, c: Tensor<4>) -> Tensor<4> {
        c
    }

    fn measured_to_spectrum(&self, y: Tensor<4>) -> Tensor<4> {
        self.placed(y)
    }

    fn spectrum_to_measured(&self, c: Tensor<4>) -> Tensor<4> {
        self.apply_unchecked(c)
    }
}
