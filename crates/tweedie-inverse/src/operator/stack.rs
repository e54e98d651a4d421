//! Several operators applied to one signal.

use super::error::{OperatorError, fits, pixels, require};
use super::{Linear, Operator};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// `x ↦ (A₁ x, A₂ x, …)`: images `[b, c, h, w]` to `[b, 1, 1, m₁ + m₂ + …]`.
///
/// The values of all measurements are concatenated in a row; [`split`](Self::split) separates them.
///
/// The shape `[c, h, w]` of signals is fixed, so that a row can be split without further
/// information.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    try_from = "Raw<A>",
    bound(deserialize = "A: Operator<4> + Deserialize<'de>")
)]
pub struct Stack<A> {
    parts: Vec<A>,
    signal: [usize; 3],
}

#[derive(Deserialize)]
struct Raw<A> {
    parts: Vec<A>,
    signal: [usize; 3],
}

impl<A: Operator<4>> TryFrom<Raw<A>> for Stack<A> {
    type Error = OperatorError;

    fn try_from(raw: Raw<A>) -> Result<Self, OperatorError> {
        Self::new(raw.parts, raw.signal)
    }
}

impl<A: Operator<4>> Stack<A> {
    /// Measures signals of shape `[c, h, w]` by each of `parts`.
    ///
    /// For operators of different types, use `Box<dyn Linear<4>>` or
    /// [`AnyLinear`](super::AnyLinear).
    ///
    /// # Errors
    /// [`OperatorError`] for no parts, or a part that does not take such signals.
    pub fn new(parts: Vec<A>, signal: [usize; 3]) -> Result<Self, OperatorError> {
        require(
            "number of parts",
            parts.len() as f64,
            "at least 1",
            !parts.is_empty(),
        )?;
        let [c, h, w] = signal;
        pixels([h, w])?;
        require(
            "number of channels",
            c as f64,
            "from 1 to 65,536",
            (1..=1 << 16).contains(&c),
        )?;
        for part in &parts {
            part.output_shape([1, c, h, w])?;
        }
        Ok(Self { parts, signal })
    }

    /// The operators.
    #[must_use]
    pub fn parts(&self) -> &[A] {
        &self.parts
    }

    /// The shape of each part's measurement of a batch.
    fn shapes(&self, batch: usize) -> Result<Vec<[usize; 4]>, OperatorError> {
        let [c, h, w] = self.signal;
        let shapes = self
            .parts
            .iter()
            .map(|part| part.output_shape([batch, c, h, w]));
        shapes.collect()
    }

    /// Splits a row into the measurements of the parts, each in its own shape.
    ///
    /// # Panics
    /// If the number of values in the row differs from that of all parts together.
    #[must_use]
    pub fn split(&self, y: Tensor<4>) -> Vec<Tensor<4>> {
        let shapes = self.shapes(y.dims()[0]).unwrap_or_default();
        let all: usize = shapes
            .iter()
            .map(|shape| shape[1..].iter().product::<usize>())
            .sum();
        assert_eq!(y.dims()[3], all, "stack: values of a row");
        let mut start = 0;
        let each = shapes.into_iter().map(|shape| {
            let count = shape[1..].iter().product();
            start += count;
            y.clone().narrow(3, start - count, count).reshape(shape)
        });
        each.collect()
    }
}

impl<A: Operator<4>> Operator<4> for Stack<A> {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [c, h, w] = self.signal;
        fits("stack", &signal, signal[1..] == self.signal, || {
            format!("[batch, {c}, {h}, {w}]")
        })?;
        let shapes = self.shapes(signal[0])?;
        let counts = shapes
            .iter()
            .map(|shape| shape[1..].iter().product::<usize>());
        Ok([signal[0], 1, 1, counts.sum()])
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let rows = self
            .parts
            .iter()
            .map(|part| row(part.apply_unchecked(x.clone())));
        Tensor::cat(rows.collect(), 3)
    }

    fn observed(&self, y: Tensor<4>) -> Tensor<4> {
        let ([batch, ..], [c, h, w]) = (y.dims(), self.signal);
        match self.output_shape([batch, c, h, w]) {
            Ok(shape) if shape == y.dims() => {
                let parts = self.parts.iter().zip(self.split(y));
                Tensor::cat(parts.map(|(part, y)| row(part.observed(y))).collect(), 3)
            }
            _ => y,
        }
    }
}

/// Flattens each sample to a row.
fn row(y: Tensor<4>) -> Tensor<4> {
    let [batch, c, h, w] = y.dims();
    y.reshape([batch, 1, 1, c * h * w])
}

impl<A: Linear<4>> Linear<4> for Stack<A> {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [c, h, w] = self.signal;
        let expected = self.output_shape([measured[0], c, h, w])?;
        fits("stack", &measured, measured == expected, || {
            format!("[batch, 1, 1, {}]", expected[3])
        })?;
        Ok([measured[0], c, h, w])
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        let parts = self.parts.iter().zip(self.split(y));
        let each = parts.map(|(part, y)| part.adjoint_unchecked(y));
        let sum = each.reduce(|sum, x| sum + x);
        sum.unwrap_or_else(|| unreachable!("a stack has a part"))
    }
}
