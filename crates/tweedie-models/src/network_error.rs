//! Why a network configuration is invalid.

use tweedie_math::ParameterError;

/// Why a network configuration is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A count that is 0 and has to be at least 1.
    #[error("{name} has to be at least 1")]
    Zero {
        /// Name of the count.
        name: &'static str,
    },
    /// A count that does not divide the channels of a level.
    #[error("{name} = {divisor} has to divide the {channels} channels of level {level}")]
    Divides {
        /// Name of the count.
        name: &'static str,
        /// Value of the count.
        divisor: usize,
        /// Channels of the level.
        channels: usize,
        /// Index of the level.
        level: usize,
    },
    /// Cross-attention in a network without a context.
    #[error("cross-attention on level {level} of a network without a context")]
    NoContext {
        /// Index of the level.
        level: usize,
    },
    /// A pyramid on only some levels, or in only one direction.
    #[error("a pyramid passes through every level or through none: level {level} has none")]
    Pyramid {
        /// Index of the level.
        level: usize,
    },
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The message of a network from outside this crate.
    #[error("{0}")]
    Refused(String),
}
