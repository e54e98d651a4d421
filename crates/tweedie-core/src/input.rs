//! Why a run cannot begin.

/// What is wrong with the shape of a state, or with a parameter, before anything is computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A parameter outside its range.
    #[error("{name} has to be {expected}, got {value}")]
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// What it has to be.
        expected: &'static str,
        /// What it was.
        value: f64,
    },
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
    /// What the operator, the noise model or the network itself says.
    #[error("{0}")]
    Refused(String),
}

impl InputError {
    /// `Ok` if `holds`, and else [`InputError::Parameter`].
    ///
    /// # Errors
    /// The parameter's name, what it has to be, and what it was.
    pub fn unless(
        holds: bool,
        name: &'static str,
        expected: &'static str,
        value: f64,
    ) -> Result<(), Self> {
        match holds {
            true => Ok(()),
            false => Err(Self::Parameter {
                name,
                expected,
                value,
            }),
        }
    }

    /// `Ok` for a finite number.
    ///
    /// # Errors
    /// [`InputError::Parameter`].
    pub fn unless_finite(name: &'static str, value: f64) -> Result<(), Self> {
        Self::unless(value.is_finite(), name, "finite", value)
    }

    /// `Ok` for a finite number above 0.
    ///
    /// # Errors
    /// [`InputError::Parameter`].
    pub fn unless_positive(name: &'static str, value: f64) -> Result<(), Self> {
        let holds = value > 0.0 && value.is_finite();
        Self::unless(holds, name, "finite and above 0", value)
    }
}
