//! Why a run cannot begin, and why a denoiser has no estimate.

use crate::ConditionError;
use tweedie_math::ParameterError;

/// What is wrong with the shape of a state, or with a parameter, before anything is computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A tensor of another shape than the state asks for.
    #[error("{name} has the shape {found:?}, expected {expected}")]
    Shape {
        /// Which tensor.
        name: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// What it has to be.
        expected: String,
    },
    /// A condition that the network does not take, or lacks.
    #[error(transparent)]
    Condition(#[from] ConditionError),
    /// What the operator, the noise model or the network itself says.
    #[error("{0}")]
    Refused(String),
}

/// Why a denoiser has no estimate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DenoiseError {
    /// A tensor of a shape that the denoiser does not take, or a parameter outside its range.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An estimate, or an output of a network, of another shape than the state asks for.
    #[error("{name} has the shape {found:?}, expected {expected:?}")]
    Shape {
        /// Which tensor.
        name: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// What it has to be.
        expected: Vec<usize>,
    },
    /// The estimate does not depend on the state in a way that can be differentiated.
    #[error("the estimate has no gradient: a guided denoiser cuts it off")]
    Untracked,
    /// An equation within the method was not solved.
    #[error(
        "an equation was not solved: a relative residual of {residual:.1e} after {iterations} iterations"
    )]
    Unsolved {
        /// `‖b − M x‖/‖b‖`.
        residual: f64,
        /// How many iterations were made.
        iterations: usize,
    },
    /// A state that is not finite, of which an equation has no solution.
    #[error("the state is not finite")]
    NotFinite,
    /// What a denoiser from outside says.
    #[error("{0}")]
    Failed(String),
}

impl DenoiseError {
    /// `Ok` if a tensor has the expected shape.
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
