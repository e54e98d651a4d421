//! An operator times a constant.

use super::{ConjugateGradient, Linear, Operator, OperatorError, Solution, SolveError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The operator `factor · A`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw<A>")]
pub struct Scaled<A> {
    operator: A,
    factor: f64,
}

#[derive(Deserialize)]
struct Raw<A> {
    operator: A,
    factor: f64,
}

impl<A> TryFrom<Raw<A>> for Scaled<A> {
    type Error = OperatorError;

    fn try_from(raw: Raw<A>) -> Result<Self, OperatorError> {
        let legal = is_legal(raw.factor);
        super::error::require(
            "factor",
            raw.factor,
            "0, or from 1e-18 to 1e18 in magnitude",
            legal,
        )?;
        Ok(Self::new(raw.operator, raw.factor))
    }
}

fn is_legal(factor: f64) -> bool {
    factor == 0.0 || (1e-18..=1e18).contains(&factor.abs())
}

impl<A> Scaled<A> {
    /// `factor · operator`.
    #[must_use]
    ///
    /// # Panics
    /// Unless the factor is 0, or from 10⁻¹⁸ to 10¹⁸ in magnitude, so that its square is
    /// representable in single precision.
    pub fn new(operator: A, factor: f64) -> Self {
        assert!(is_legal(factor), "a factor of {factor}");
        Self { operator, factor }
    }

    /// The operator and the factor.
    #[must_use]
    pub fn into_parts(self) -> (A, f64) {
        (self.operator, self.factor)
    }
}

impl<const D: usize, A: Operator<D>> Operator<D> for Scaled<A> {
    fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError> {
        self.operator.output_shape(signal)
    }

    fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D> {
        self.operator.apply_unchecked(x) * self.factor
    }

    fn observed(&self, y: Tensor<D>) -> Tensor<D> {
        self.operator.observed(y)
    }
}

impl<const D: usize, A: Linear<D>> Linear<D> for Scaled<A> {
    fn input_shape(&self, measured: [usize; D]) -> Result<[usize; D], OperatorError> {
        self.operator.input_shape(measured)
    }

    fn adjoint_unchecked(&self, y: Tensor<D>) -> Tensor<D> {
        self.operator.adjoint_unchecked(y) * self.factor
    }

    /// `(f² AᵀA + s)⁻¹ = (AᵀA + s/f²)⁻¹/f²`.
    fn solve_unchecked(
        &self,
        b: Tensor<D>,
        shift: f64,
        iterations: ConjugateGradient,
    ) -> Result<Solution<D>, SolveError> {
        let square = self.factor.powi(2);
        if square == 0.0 {
            return Ok(Solution::exact(b / shift));
        }
        self.operator
            .solve_unchecked(b / square, shift / square, iterations)
    }

    fn pinv_unchecked(
        &self,
        y: Tensor<D>,
        iterations: ConjugateGradient,
    ) -> Result<Solution<D>, SolveError> {
        if self.factor == 0.0 {
            return Ok(Solution::exact(self.adjoint_unchecked(y)));
        }
        self.operator.pinv_unchecked(y / self.factor, iterations)
    }
}
