//! One level per sample of a batch, for training.

use crate::shape::column;
use burn::tensor::Tensor;
use tweedie_math::Level;

/// One level per sample of a batch.
///
/// The coefficients stay `f64` on the host. [`column`](Self::column) makes columns `[batch, 1, …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels(Vec<Level>);

impl Levels {
    /// Returns the levels of a batch, in the order of its samples.
    #[must_use]
    pub fn new(levels: Vec<Level>) -> Self {
        Self(levels)
    }

    /// The levels, in the order of the samples.
    #[must_use]
    pub fn as_slice(&self) -> &[Level] {
        &self.0
    }

    /// Returns `f` of each level as a column that broadcasts against `like`.
    ///
    /// # Panics
    /// If `like` does not have one sample per level.
    #[must_use]
    pub fn column<const D: usize>(&self, like: &Tensor<D>, f: impl Fn(Level) -> f64) -> Tensor<D> {
        let values: Vec<f64> = self.0.iter().map(|&level| f(level)).collect();
        column(&values, like)
    }

    /// Returns `x_t = α x₀ + σ ε`, with one level per sample.
    ///
    /// # Panics
    /// If `clean` does not have one sample per level, or if `noise` and `clean` differ in shape.
    #[must_use]
    pub fn corrupt<const D: usize>(&self, clean: Tensor<D>, noise: Tensor<D>) -> Tensor<D> {
        assert_eq!(noise.dims(), clean.dims(), "noise for every value");
        let alpha = self.column(&clean, Level::alpha);
        let sigma = self.column(&clean, Level::sigma);
        clean * alpha + noise * sigma
    }
}
