//! Errors of a replay.

use std::fmt;
use std::path::PathBuf;

/// Why a golden file could not be read, or a case could not be run as described.
#[derive(Debug)]
#[non_exhaustive]
pub enum GoldenError {
    /// A file or folder that could not be read.
    Io(PathBuf, std::io::Error),
    /// A file with a wrong format.
    Format(PathBuf, String),
    /// A folder without cases.
    Empty(PathBuf),
    /// A tensor or a setting that is missing or has another type.
    Lacks(String),
    /// Settings that the library rejects.
    Refused(String),
    /// A case that is not replayed, with the reason.
    Skipped(String),
}

impl fmt::Display for GoldenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, source) => write!(f, "{}: {source}", path.display()),
            Self::Format(path, message) => write!(f, "{}: {message}", path.display()),
            Self::Empty(path) => write!(
                f,
                "{}: no pairs of .json and .safetensors files here",
                path.display()
            ),
            Self::Lacks(what) => write!(f, "the case lacks {what}"),
            Self::Refused(message) | Self::Skipped(message) => f.write_str(message),
        }
    }
}

/// Every error of the library is one about recorded settings.
impl<E: std::error::Error> From<E> for GoldenError {
    fn from(error: E) -> Self {
        Self::Refused(error.to_string())
    }
}

/// The end of a replay.
pub(crate) type Done = Result<(), GoldenError>;

/// Returns an error with a message.
pub(crate) fn refused(message: impl fmt::Display) -> GoldenError {
    GoldenError::Refused(message.to_string())
}

/// Returns the error of a missing part.
pub(crate) fn lacks(what: impl Into<String>) -> GoldenError {
    GoldenError::Lacks(what.into())
}

/// Ends a case that is not replayed.
pub(crate) fn skip<T>(reason: impl Into<String>) -> Result<T, GoldenError> {
    Err(GoldenError::Skipped(reason.into()))
}
