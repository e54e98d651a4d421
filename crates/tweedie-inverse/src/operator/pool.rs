//! Super-resolution by average pooling: each `f × f` block becomes its mean.
//!
//! `A Aᵀ = I/f²`, so `A⁺ = f² Aᵀ`, and `(AᵀA + s I)⁻¹ b = (b − Aᵀ A b/(f⁻² + s))/s`.

use super::error::{checked, fits, pixels, require};
use super::{ConjugateGradient, Linear, Operator, OperatorError, Solution, SolveError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Averages blocks of `factor × factor` pixels: `[b, c, h, w]` to `[b, c, h/f, w/f]`.
///
/// For sizes that the factor does not divide, use [`Separable::resize`](super::Separable::resize)
/// with [`Area`](tweedie_core::Interpolation::Area).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct AveragePool {
    factor: usize,
}

checked!(AveragePool { factor: usize } by AveragePool::new);

impl AveragePool {
    /// Averages blocks of `factor × factor` pixels.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a factor of 0 or above 8,192.
    pub fn new(factor: usize) -> Result<Self, OperatorError> {
        require(
            "factor",
            factor as f64,
            "from 1 to 8,192",
            (1..=1 << 13).contains(&factor),
        )?;
        Ok(Self { factor })
    }

    /// `f²`.
    fn area(self) -> f64 {
        (self.factor * self.factor) as f64
    }
}

impl Operator<4> for AveragePool {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let ([b, c, h, w], f) = (signal, self.factor);
        let divides = h > 0 && w > 0 && h.is_multiple_of(f) && w.is_multiple_of(f);
        fits("average pooling", &signal, divides, || {
            format!("height and width that {f} divides")
        })?;
        Ok([b, c, h / f, w / f])
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let ([b, c, h, w], f) = (x.dims(), self.factor);
        x.reshape([b, c, h / f, f, w / f, f])
            .sum_dim(3)
            .sum_dim(5)
            .reshape([b, c, h / f, w / f])
            .mul_scalar(1.0 / self.area())
    }
}

impl Linear<4> for AveragePool {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let ([b, c, h, w], f) = (measured, self.factor);
        let size = [h.saturating_mul(f), w.saturating_mul(f)];
        pixels(size)?;
        Ok([b, c, size[0], size[1]])
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        let ([b, c, h, w], f) = (y.dims(), self.factor);
        (y * (1.0 / self.area()))
            .reshape([b, c, h, 1, w, 1])
            .expand([b, c, h, f, w, f])
            .reshape([b, c, h * f, w * f])
    }

    fn solve_unchecked(
        &self,
        b: Tensor<4>,
        shift: f64,
        _: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
        let range = self.adjoint(self.apply(b.clone())) / (1.0 / self.area() + shift);
        Ok(Solution::exact((b - range) / shift))
    }

    fn pinv_unchecked(
        &self,
        y: Tensor<4>,
        _: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
        Ok(Solution::exact(self.adjoint(y) * self.area()))
    }
}
