//! Errors of inputs and of denoisers.

use crate::ConditionError;
use tweedie_math::ParameterError;

/// An invalid shape or parameter, found before any computation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A tensor whose shape does not fit the state.
    #[error("{name} has the shape {found:?}, expected {expected}")]
    Shape {
        /// The name of the tensor.
        name: &'static str,
        /// The shape of the tensor.
        found: Vec<usize>,
        /// The expected shape.
        expected: String,
    },
    /// A condition that the network does not take, or a missing condition.
    #[error(transparent)]
    Condition(#[from] ConditionError),
    /// The message of an operator, a noise model or a network that rejects its input.
    #[error("{0}")]
    Refused(String),
}

/// Why a denoiser returns no estimate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DenoiseError {
    /// A tensor of an unsupported shape, or a parameter outside its range.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An estimate, or a network's output, whose shape does not fit the state.
    #[error("{name} has the shape {found:?}, expected {expected:?}")]
    Shape {
        /// The name of the tensor.
        name: &'static str,
        /// The shape of the tensor.
        found: Vec<usize>,
        /// The expected shape.
        expected: Vec<usize>,
    },
    /// The estimate has no gradient with respect to the state.
    #[error(
        "the estimate has no gradient with respect to the state: the denoiser detaches it, as gradient guidance does"
    )]
    Untracked,
    /// An iterative solver within the method did not converge.
    #[error(
        "an equation was not solved: a relative residual of {residual:.1e} after {iterations} iterations"
    )]
    Unsolved {
        /// `‖b − M x‖/‖b‖`.
        residual: f64,
        /// The number of iterations.
        iterations: usize,
    },
    /// The state is not finite, so an equation for it has no solution.
    #[error("the state is not finite")]
    NotFinite,
    /// The message of a user-defined denoiser that failed.
    #[error("{0}")]
    Failed(String),
}

impl DenoiseError {
    /// Returns `Ok` if a tensor has the expected shape.
    ///
    /// # Errors
    /// [`DenoiseError::Shape`].
    pub fn unless_shape(
        name: &'static str,
        found: &[usize],
        expected: &[usize],
    ) -> Result<(), Self> {
        match found == expected {
            true => Ok(()),
            false => Err(Self::Shape {
                name,
                found: found.to_vec(),
                expected: expected.to_vec(),
            }),
        }
    }
}
