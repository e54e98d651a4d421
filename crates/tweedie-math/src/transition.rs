//! A sampling step as three coefficients: `x_s = state·x_t + clean·x̂₀ + noise·z`.

use crate::MoveError;
use serde::{Deserialize, Serialize};

/// The step `x_s = state·x_t + clean·x̂₀ + noise·z` with `z ~ N(0, I)`.
///
/// ```
/// use tweedie_math::{Ddim, Kernel, Level};
///
/// // The last step of DDIM returns the estimate itself.
/// let last = Ddim::deterministic().transition(Level::new(0.6, 0.8)?, Level::CLEAN)?;
/// assert_eq!((last.state, last.clean, last.noise), (0.0, 1.0, 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Factor of the current state `x_t`.
    pub state: f64,
    /// Factor of the clean estimate `x̂₀`.
    pub clean: f64,
    /// Standard deviation of the fresh noise.
    pub noise: f64,
}

impl Transition {
    /// The move that leaves the state unchanged.
    pub const IDENTITY: Self = Self {
        state: 1.0,
        clean: 0.0,
        noise: 0.0,
    };

    /// Returns `self` if all three numbers are finite and the noise is not negative.
    ///
    /// # Errors
    /// [`MoveError::Singular`] with the first invalid coefficient.
    pub fn checked(self) -> Result<Self, MoveError> {
        let finite = |coefficient, value: f64| singular(value.is_finite(), coefficient, value);
        finite("x_t", self.state)?;
        finite("x̂₀", self.clean)?;
        singular((0.0..f64::INFINITY).contains(&self.noise), "z", self.noise)?;
        Ok(self)
    }
}

/// Returns `Ok` if `legal`, and otherwise [`MoveError::Singular`].
pub(crate) fn singular(
    legal: bool,
    coefficient: &'static str,
    value: f64,
) -> Result<(), MoveError> {
    match legal {
        true => Ok(()),
        false => Err(MoveError::Singular { coefficient, value }),
    }
}
