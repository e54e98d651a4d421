//! Network predictions as affine maps to the clean signal: `x̂₀ = skip·x_t + out·F`.

use crate::Level;
use crate::schedule::{ScheduleError, parameter};
use serde::{Deserialize, Serialize};

/// The quantity that a network's output `F` predicts.
///
/// With `x_t = α x₀ + σ ε` and `r = √(α² + σ²)`:
///
/// | prediction | `F` | `skip` | `out` | input |
/// |---|---|---|---|---|
/// | `Clean` | `x₀` | 0 | 1 | `x/r` |
/// | `Noise` | `ε` | `1/α` | `−σ/α` | `x/r` |
/// | `Score` | `∇ log p(x_t) = −ε/σ` | `1/α` | `σ²/α` | `x/r` |
/// | `ScaledScore` | `∇ log p(x_t/α) = −α ε/σ` | `1/α` | `σ²/α²` | `x/α` |
/// | `Velocity` | `(α ε − σ x₀)/r` | `α/r²` | `−σ/r` | `x/r` |
/// | `Flow` | `ε − x₀` | `1/(α+σ)` | `−σ/(α+σ)` | `x/(α+σ)` |
/// | `Edm` | see below | `α d²/(σ² + α² d²)` | `σ d/√(σ² + α² d²)` | `x/√(σ² + α² d²)` |
///
/// The table states Tweedie's formula, `x̂₀ = (x_t + σ² s)/α`, in terms of each `F`. The inverse
/// `F* = (x₀ − skip·x_t)/out` is the training target, which [`target`](Self::target) gives in terms
/// of `x₀` and `ε`.
///
/// `Edm` is EDM's preconditioning for data of standard deviation `d`: input and target have unit
/// variance at every level. The last column is the network's input. It depends only on the log-SNR,
/// so a network that was trained on one schedule can sample with any other. `Score` is the
/// exception, since the scale of its output depends on the schedule.
///
/// # Reference
/// Karras et al. 2022, table 1, arXiv:2206.00364; Salimans & Ho 2022 (velocity), arXiv:2202.00512.
///
/// ```
/// use tweedie_math::{Level, Prediction};
///
/// let level = Level::new(0.6, 0.8)?;
/// let (x0, noise) = (2.0, -0.5);
/// let x = level.alpha() * x0 + level.sigma() * noise;
/// let tweedie = Prediction::Noise.to_clean(level);
/// assert!((tweedie.skip * x + tweedie.out * noise - x0).abs() < 1e-12);
/// # Ok::<(), tweedie_math::LevelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Prediction {
    /// The clean signal `x₀`.
    Clean,
    /// The noise `ε`.
    Noise,
    /// The score `∇ log p(x_t)`.
    Score,
    /// The score of `x_t/α`, as NCSN++ predicts it: data with added noise, without scaling.
    ScaledScore,
    /// The velocity `v`.
    Velocity,
    /// The displacement `ε − x₀` of a rectified flow.
    Flow,
    /// EDM's preconditioned output.
    Edm {
        /// Standard deviation of the data.
        sigma_data: f64,
    },
}

/// The map `x̂₀ = skip·x_t + out·F` from a network's output to the clean signal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// Factor of the noisy input.
    pub skip: f64,
    /// Factor of the network's output.
    pub out: f64,
}

/// The training target `F* = clean·x₀ + noise·ε`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingTarget {
    /// Factor of the clean signal.
    pub clean: f64,
    /// Factor of the noise.
    pub noise: f64,
}

impl Prediction {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `sigma_data` is finite and above 0.
    pub fn check(self) -> Result<(), ScheduleError> {
        match self {
            Self::Edm { sigma_data } => {
                parameter("sigma_data", "above 0", sigma_data, sigma_data > 0.0).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Returns `skip` and `out` at `level`.
    ///
    /// They are not finite if the output does not determine the clean signal; see
    /// [`determines_clean`](Self::determines_clean).
    #[must_use]
    pub fn to_clean(self, level: Level) -> Affine {
        let (a, s, r) = (level.alpha(), level.sigma(), level.rms());
        let (skip, out) = match self {
            Self::Clean => (0.0, 1.0),
            Self::Noise => (1.0 / a, -s / a),
            Self::Score => (1.0 / a, s * s / a),
            Self::ScaledScore => (1.0 / a, (s / a).powi(2)),
            Self::Velocity => (a / (r * r), -s / r),
            Self::Flow => (1.0 / (a + s), -s / (a + s)),
            Self::Edm { sigma_data: d } => {
                let total = s.hypot(a * d);
                (a * (d / total).powi(2), s * d / total)
            }
        };
        Affine { skip, out }
    }

    /// Returns the training target at `level`.
    ///
    /// Computed from `x_t`, as `(x₀ − skip·x_t)/out`, it would lose its digits where `σ` is small.
    #[must_use]
    pub fn target(self, level: Level) -> TrainingTarget {
        let (a, s, r) = (level.alpha(), level.sigma(), level.rms());
        let (clean, noise) = match self {
            Self::Clean => (1.0, 0.0),
            Self::Noise => (0.0, 1.0),
            Self::Score => (0.0, -1.0 / s),
            Self::ScaledScore => (0.0, -a / s),
            Self::Velocity => (-s / r, a / r),
            Self::Flow => (-1.0, 1.0),
            Self::Edm { sigma_data: d } => {
                let total = s.hypot(a * d);
                (s / (total * d), -a * d / total)
            }
        };
        TrainingTarget { clean, noise }
    }

    /// Returns whether the output at `level` determines the clean signal.
    ///
    /// At pure noise (`α = 0`) a noise or score prediction does not.
    #[must_use]
    pub fn determines_clean(self, level: Level) -> bool {
        let affine = self.to_clean(level);
        affine.skip.is_finite() && affine.out.is_finite()
    }

    /// Returns `α out/σ`, the factor that converts an error of the output to one of the noise.
    ///
    /// `ε̂ − ε = −(α out/σ) (F − F*)`. The factor is infinite for [`Clean`](Self::Clean) at clean
    /// data and for [`ScaledScore`](Self::ScaledScore) at pure noise, and finite otherwise.
    #[must_use]
    pub fn to_noise(self, level: Level) -> f64 {
        let (a, s) = (level.alpha(), level.sigma());
        match self {
            Self::Clean => a / s,
            Self::Noise => -1.0,
            Self::Score => s,
            Self::ScaledScore => s / a,
            Self::Velocity => -a / level.rms(),
            Self::Flow => -a / (a + s),
            Self::Edm { sigma_data } => a * sigma_data / s.hypot(a * sigma_data),
        }
    }

    /// Returns the factor by which `x_t` is scaled before it enters the network.
    #[must_use]
    pub fn input_scale(self, level: Level) -> f64 {
        match self {
            Self::Flow => 1.0 / (level.alpha() + level.sigma()),
            Self::ScaledScore => 1.0 / level.alpha(),
            Self::Edm { sigma_data } => 1.0 / level.sigma().hypot(level.alpha() * sigma_data),
            _ => 1.0 / level.rms(),
        }
    }
}
