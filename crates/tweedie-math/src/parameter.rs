//! The error of a parameter outside its range.

/// A parameter outside its range.
///
/// ```
/// use tweedie_math::{Ddim, ParameterError};
///
/// let error: ParameterError = Ddim::new(-1.0).unwrap_err();
/// assert_eq!(error.to_string(), "η has to be finite and at least 0, got -1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{name} has to be {expected}, got {value}")]
pub struct ParameterError {
    /// The parameter's name.
    pub name: &'static str,
    /// The range of valid values, in words.
    pub expected: &'static str,
    /// The value that was passed.
    pub value: f64,
}

impl ParameterError {
    /// Returns the value if it is `legal`.
    ///
    /// # Errors
    /// [`ParameterError`] with the name, the valid range and the value.
    pub fn require(
        legal: bool,
        name: &'static str,
        expected: &'static str,
        value: f64,
    ) -> Result<f64, Self> {
        match legal {
            true => Ok(value),
            false => Err(Self {
                name,
                expected,
                value,
            }),
        }
    }

    /// Returns the value if it is finite.
    ///
    /// # Errors
    /// As [`require`](Self::require).
    pub fn require_finite(name: &'static str, value: f64) -> Result<f64, Self> {
        Self::require(value.is_finite(), name, "finite", value)
    }

    /// Returns the value if it is finite and above 0.
    ///
    /// # Errors
    /// As [`require`](Self::require).
    pub fn require_positive(name: &'static str, value: f64) -> Result<f64, Self> {
        let legal = value > 0.0 && value.is_finite();
        Self::require(legal, name, "finite and above 0", value)
    }

    /// Returns the value if it is finite and at least 0.
    ///
    /// # Errors
    /// As [`require`](Self::require).
    pub fn require_non_negative(name: &'static str, value: f64) -> Result<f64, Self> {
        let legal = (0.0..f64::INFINITY).contains(&value);
        Self::require(legal, name, "finite and at least 0", value)
    }

    /// Returns the value if it is in `[0, 1]`.
    ///
    /// # Errors
    /// As [`require`](Self::require).
    pub fn require_fraction(name: &'static str, value: f64) -> Result<f64, Self> {
        Self::require((0.0..=1.0).contains(&value), name, "from 0 to 1", value)
    }

    /// Returns the count if it is at least 1.
    ///
    /// # Errors
    /// As [`require`](Self::require).
    pub fn require_count(name: &'static str, count: usize) -> Result<usize, Self> {
        Self::require(count > 0, name, "at least 1", count as f64)?;
        Ok(count)
    }
}
