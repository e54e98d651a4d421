//! What solving an equation gives.

use crate::operator::OperatorError;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, InputError};

/// What an equation was solved by.
#[derive(Clone, Debug)]
pub struct Solution<const D: usize> {
    /// The solution.
    pub x: Tensor<D>,
    /// How many iterations it took: 0 for a closed form.
    pub iterations: usize,
    /// The relative residual of the worst sample, computed from `x` itself unless iterations may
    /// end early; `None` for a closed form.
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
            SolveError::Shape(error) => InputError::from(error).into(),
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

/// An equation that was not solved.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// A right-hand side of another shape than the operator takes.
    #[error(transparent)]
    Shape(#[from] OperatorError),
    /// A right-hand side whose norm is not finite.
    #[error("the right-hand side is not finite")]
    NotFinite,
    /// A shift that is not positive, or a γ that is not.
    #[error(
        "the shift (1/γ of a proximal step) has to be finite and at least 1.2e-38, got {shift}"
    )]
    Shift {
        /// The shift.
        shift: f64,
    },
    /// Iterations that did not arrive.
    #[error(
        "conjugate gradients: a relative residual of {residual:e} after {iterations} iterations, \
         expected {tolerance:e}"
    )]
    NotConverged {
        /// How many iterations were made.
        iterations: usize,
        /// The relative residual of the worst sample.
        residual: f64,
        /// What was asked for.
        tolerance: f64,
    },
}
