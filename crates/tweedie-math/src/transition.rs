//! A step of a chain is three numbers: `x_s = state·x_t + clean·x̂₀ + noise·z`.

use serde::{Deserialize, Serialize};

/// `x_s = state·x_t + clean·x̂₀ + noise·z` with `z ~ N(0, I)`.
///
/// ```
/// use tweedie_math::{Ddim, Kernel, Level};
///
/// // The last step of DDIM returns the estimate itself.
/// let last = Ddim::deterministic().transition(Level::new(0.6, 0.8)?, Level::CLEAN);
/// assert_eq!((last.state, last.clean, last.noise), (0.0, 1.0, 0.0));
/// # Ok::<(), tweedie_math::LevelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Factor of the present state `x_t`.
    pub state: f64,
    /// Factor of the clean estimate `x̂₀`.
    pub clean: f64,
    /// Standard deviation of the fresh noise.
    pub noise: f64,
}

impl Transition {
    /// The move that leaves the state where it is.
    pub const IDENTITY: Self = Self {
        state: 1.0,
        clean: 0.0,
        noise: 0.0,
    };

    /// What a kernel gives where it has no answer.
    pub(crate) const INVALID: Self = Self {
        state: f64::NAN,
        clean: f64::NAN,
        noise: f64::NAN,
    };

    /// Whether all three numbers are finite and the noise is not negative; a step that is singular
    /// or makes no sense is refused before a run.
    #[must_use]
    pub fn is_valid(self) -> bool {
        let noise = (0.0..f64::INFINITY).contains(&self.noise);
        self.state.is_finite() && self.clean.is_finite() && noise
    }
}
