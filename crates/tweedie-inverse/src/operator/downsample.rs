//! Super-resolution by average pooling: each `f × f` block becomes its mean.
//!
//! `A Aᵀ = I/f²`, so `A⁺ = f² Aᵀ`, and `(AᵀA + s I)⁻¹ b = (b − Aᵀ A b/(f⁻² + s))/s`.

use super::{Linear, Operator, OperatorError};
use burn::tensor::Tensor;

/// Averages blocks of `factor × factor` pixels: `[b, c, h, w]` to `[b, c, h/f, w/f]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downsample {
    factor: usize,
}

impl Downsample {
    /// Averages blocks of `factor × factor` pixels.
    ///
    /// # Errors
    /// [`OperatorError::Factor`] for a factor of 0.
    pub fn new(factor: usize) -> Result<Self, OperatorError> {
        if factor == 0 {
            return Err(OperatorError::Factor { factor });
        }
        Ok(Self { factor })
    }

    /// `f²`.
    fn area(self) -> f64 {
        (self.factor * self.factor) as f64
    }
}

impl Operator<4> for Downsample {
    /// # Panics
    /// If the factor does not divide height and width.
    fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let ([b, c, h, w], f) = (x.dims(), self.factor);
        assert!(
            h % f == 0 && w % f == 0,
            "a factor of {f} has to divide {h}×{w} pixels"
        );
        x.reshape([b, c, h / f, f, w / f, f])
            .mean_dim(3)
            .mean_dim(5)
            .reshape([b, c, h / f, w / f])
    }
}

impl Linear<4> for Downsample {
    fn adjoint(&self, y: Tensor<4>) -> Tensor<4> {
        let ([b, c, h, w], f) = (y.dims(), self.factor);
        (y / self.area())
            .reshape([b, c, h, 1, w, 1])
            .expand([b, c, h, f, w, f])
            .reshape([b, c, h * f, w * f])
    }

    fn solve(&self, b: Tensor<4>, shift: f64) -> Tensor<4> {
        let range = self.adjoint(self.apply(b.clone())) / (1.0 / self.area() + shift);
        (b - range) / shift
    }

    fn pinv(&self, y: Tensor<4>) -> Tensor<4> {
        self.adjoint(y) * self.area()
    }
}
