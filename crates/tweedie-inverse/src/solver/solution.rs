//! Results and errors of linear solves.

use crate::operator::OperatorError;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, InputError};

/// The result of a linear solve.
#[derive(Clone, Debug)]
pub struct Solution<const D: usize> {
    /// The solution.
    pub x: Tensor<D>,
    /// The number of iterations; 0 for a closed form.
    pub iterations: usize,
    /// The relative residual of the worst sample; `None` for a closed form. It is recomputed from
    /// `x`, unless the solver may stop early.
    pub residual: Option<f64>,
}

impl<const D: usize> Solution<D> {
    /// A solution in closed form.
    #[must_use]
    pub fn exact(x: Tensor<D>) -> Self {
        Self {
            x,
            iterations: 0,
            residual: None,
        }
    }
}

impl From<SolveError> for DenoiseError {
    fn from(error: SolveError) -> Self {
        match error {
            SolveError::Operator(error) => InputError::from(error).into(),
            SolveError::NotFinite => Self::NotFinite,
            SolveError::Shift { .. } => Self::Failed(error.to_string()),
            SolveError::NotConverged {
                iterations,
                residual,
                ..
            } => Self::Unsolved {
                residual,
                iterations,
            },
        }
    }
}

/// Why a linear solve failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// A right-hand side of the wrong shape, or a parameter outside its range.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A right-hand side with a value or norm that is not finite.
    #[error("the right-hand side is not finite")]
    NotFinite,
    /// A shift, or the `1/γ` of a proximal step, that is not finite and positive.
    #[error(
        "the shift (1/γ of a proximal step) has to be finite and at least 1.2e-38, got {shift}"
    )]
    Shift {
        /// The shift.
        shift: f64,
    },
    /// Iterations that did not converge.
    #[error(
        "not solved: a relative residual of {residual:e} after {iterations} iterations, \
         expected {tolerance:e}"
    )]
    NotConverged {
        /// The number of iterations.
        iterations: usize,
        /// The relative residual of the worst sample.
        residual: f64,
        /// The tolerance.
        tolerance: f64,
    },
}
