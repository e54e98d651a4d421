//! Levels: the amounts of signal and noise in `x_t = α x₀ + σ ε`.

use crate::MoveError;
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;

/// A level of the forward process, `x_t = α x₀ + σ ε` with `ε ~ N(0, I)`.
///
/// Either coefficient may be 0. `σ = 0` is clean data; `α = 0` is pure noise, as at zero terminal
/// SNR or in a rectified flow at `t = 1`. Two zeros, a negative or a non-finite value are errors.
///
/// ```
/// use tweedie_math::Level;
///
/// let level = Level::new(0.6, 0.8)?;
/// assert_eq!(level.rms(), 1.0);
/// assert_eq!(Level::PURE_NOISE.log_snr(), f64::NEG_INFINITY);
/// assert!(Level::new(0.0, 0.0).is_err());
/// # Ok::<(), tweedie_math::LevelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Level {
    alpha: f64,
    sigma: f64,
}

#[derive(Deserialize)]
struct Raw {
    alpha: f64,
    sigma: f64,
}

impl TryFrom<Raw> for Level {
    type Error = LevelError;

    fn try_from(raw: Raw) -> Result<Self, LevelError> {
        Self::new(raw.alpha, raw.sigma)
    }
}

/// The error for a pair `(α, σ)` that is not a valid level.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[error("a level needs finite α ≥ 0 and σ ≥ 0, not both 0; got α = {alpha}, σ = {sigma}")]
pub struct LevelError {
    /// The invalid signal coefficient.
    pub alpha: f64,
    /// The invalid noise coefficient.
    pub sigma: f64,
}

impl Level {
    /// Data without noise: `α = 1`, `σ = 0`.
    pub const CLEAN: Self = Self {
        alpha: 1.0,
        sigma: 0.0,
    };
    /// Noise without data: `α = 0`, `σ = 1`.
    pub const PURE_NOISE: Self = Self {
        alpha: 0.0,
        sigma: 1.0,
    };

    /// Returns the level `(α, σ)`.
    ///
    /// # Errors
    /// [`LevelError`] unless both are finite, at least 0, and not both 0.
    pub fn new(alpha: f64, sigma: f64) -> Result<Self, LevelError> {
        match (Self { alpha, sigma }).is_legal() {
            true => Ok(Self::trusted(alpha, sigma)),
            false => Err(LevelError { alpha, sigma }),
        }
    }

    /// Returns `Ok` if the level contains signal: `α > 0`.
    ///
    /// # Errors
    /// [`MoveError::NoSignal`].
    pub fn require_signal(self) -> Result<(), MoveError> {
        match self.alpha > 0.0 {
            true => Ok(()),
            false => Err(MoveError::NoSignal { level: self }),
        }
    }

    /// Returns `Ok` if the level contains noise: `σ > 0`.
    ///
    /// # Errors
    /// [`MoveError::NoNoise`].
    pub fn require_noise(self) -> Result<(), MoveError> {
        match self.sigma > 0.0 {
            true => Ok(()),
            false => Err(MoveError::NoNoise { level: self }),
        }
    }

    fn is_legal(self) -> bool {
        let Self { alpha, sigma } = self;
        let positive = alpha >= 0.0 && sigma >= 0.0 && alpha + sigma > 0.0;
        positive && alpha.is_finite() && sigma.is_finite()
    }

    /// Returns the unit-variance level (`α² + σ² = 1`) with the given log-SNR.
    ///
    /// `+∞` gives clean data and `−∞` gives pure noise.
    ///
    /// # Panics
    /// If `log_snr` is NaN.
    #[must_use]
    pub fn variance_preserving(log_snr: f64) -> Self {
        assert!(!log_snr.is_nan(), "a log-SNR that is not a number");
        Self {
            alpha: logistic(log_snr).sqrt(),
            sigma: logistic(-log_snr).sqrt(),
        }
    }

    /// Returns the variance-exploding level with noise `sigma`: `α = 1`.
    ///
    /// # Errors
    /// [`LevelError`] unless `sigma` is finite and at least 0.
    pub fn variance_exploding(sigma: f64) -> Result<Self, LevelError> {
        Self::new(1.0, sigma)
    }

    /// Wraps the coefficients of a validated schedule; checked in debug builds only.
    pub(crate) fn trusted(alpha: f64, sigma: f64) -> Self {
        // Adding 0 turns −0 into +0, so that quotients have the right sign.
        let level = Self {
            alpha: alpha + 0.0,
            sigma: sigma + 0.0,
        };
        debug_assert!(level.is_legal(), "α = {alpha}, σ = {sigma}");
        level
    }

    /// The signal coefficient `α`.
    #[must_use]
    pub fn alpha(self) -> f64 {
        self.alpha
    }

    /// The noise coefficient `σ`.
    #[must_use]
    pub fn sigma(self) -> f64 {
        self.sigma
    }

    /// `√(α² + σ²)`: the root mean square of `x_t` when the data have unit variance.
    #[must_use]
    pub fn rms(self) -> f64 {
        self.alpha.hypot(self.sigma)
    }

    /// `α² / σ²`; `∞` for clean data.
    #[must_use]
    pub fn snr(self) -> f64 {
        (self.alpha / self.sigma).powi(2)
    }

    /// `ln(α² / σ²)`; `+∞` for clean data, `−∞` for pure noise.
    #[must_use]
    pub fn log_snr(self) -> f64 {
        2.0 * (self.alpha.ln() - self.sigma.ln())
    }

    /// `σ / α`: the noise level in the coordinate `x / α`; EDM and k-diffusion call it `σ`.
    #[must_use]
    pub fn noise_to_signal(self) -> f64 {
        self.sigma / self.alpha
    }

    /// The angle `φ = atan2(σ, α)`: 0 for clean data, π/2 for pure noise.
    ///
    /// On the unit circle `α = cos φ`, `σ = sin φ`, the probability flow is `dx/dφ = v`, the
    /// velocity.
    #[must_use]
    pub fn angle(self) -> f64 {
        self.sigma.atan2(self.alpha)
    }

    /// Returns the unit-variance level of an angle, clamped to `[0, π/2]`.
    ///
    /// # Panics
    /// If `angle` is NaN.
    #[must_use]
    pub fn at_angle(angle: f64) -> Self {
        assert!(!angle.is_nan(), "an angle that is not a number");
        if angle >= FRAC_PI_2 {
            return Self::PURE_NOISE;
        }
        let (sigma, alpha) = angle.max(0.0).sin_cos();
        Self { alpha, sigma }
    }

    /// Returns whether `self` has more noise than `other`, relative to the signal.
    #[must_use]
    pub fn is_noisier_than(self, other: Self) -> bool {
        self.sigma * other.alpha > other.sigma * self.alpha
    }
}

pub(crate) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn nonsense_is_refused_with_its_numbers() {
        for (alpha, sigma) in [(-0.1, 1.0), (1.0, -0.1), (0.0, 0.0), (f64::INFINITY, 1.0)] {
            assert_eq!(Level::new(alpha, sigma), Err(LevelError { alpha, sigma }));
        }
        assert!(Level::new(f64::NAN, 1.0).is_err());
        assert!(serde_json::from_str::<Level>(r#"{"alpha":0.0,"sigma":0.0}"#).is_err());
    }

    #[test]
    fn the_ends_are_levels_like_others() {
        let level = Level::new(0.6, 0.8).expect("a level");
        assert_abs_diff_eq!(level.log_snr(), (0.36_f64 / 0.64).ln(), epsilon = 1e-12);
        assert_eq!(Level::CLEAN.log_snr(), f64::INFINITY);
        assert_eq!(Level::PURE_NOISE.log_snr(), f64::NEG_INFINITY);
        assert_eq!(Level::variance_preserving(f64::INFINITY), Level::CLEAN);
        assert_eq!(
            Level::variance_preserving(f64::NEG_INFINITY),
            Level::PURE_NOISE
        );
        assert!(Level::PURE_NOISE.is_noisier_than(Level::CLEAN));
        assert!(!Level::CLEAN.is_noisier_than(Level::CLEAN));
    }
}
