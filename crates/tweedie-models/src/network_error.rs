//! Why a configuration cannot be.

use tweedie_math::ParameterError;

/// A configuration that no network can have.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A count that has to be at least 1.
    #[error("{name} has to be at least 1")]
    Zero {
        /// Which one.
        name: &'static str,
    },
    /// A count that has to divide another.
    #[error("{name} = {divisor} has to divide the {channels} channels of level {level}")]
    Divides {
        /// Which one.
        name: &'static str,
        /// Its value.
        divisor: usize,
        /// The channels.
        channels: usize,
        /// The level.
        level: usize,
    },
    /// Cross-attention without a context.
    #[error("cross-attention on level {level} of a network without a context")]
    NoContext {
        /// The level.
        level: usize,
    },
    /// Pyramids on some levels only.
    #[error("a pyramid passes through every level or through none: level {level} has none")]
    Pyramid {
        /// The level.
        level: usize,
    },
    /// A number outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// What a network from outside says.
    #[error("{0}")]
    Refused(String),
}
