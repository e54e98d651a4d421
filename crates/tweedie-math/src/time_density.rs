//! Distributions of training times.

use crate::schedule::{Schedule, ScheduleError, parameter};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// The distribution of training times, as a map from a uniform number to a time.
///
/// The maps are quantile functions, so [`stratified`] numbers give stratified times.
///
/// | density | law |
/// |---|---|
/// | `Uniform { min, max }` | `t` uniform |
/// | `Nodes { count }` | the nodes of a [`Chain`](crate::Chain), as often (DDPM, algorithm 1) |
/// | `UniformLogSnr { min, max }` | `ln SNR` uniform: importance sampling of the likelihood |
/// | `LogNormal { mean, std }` | `ln(σ/α)` normal (EDM: −1.2, 1.2), clamped to the schedule |
/// | `LogitNormal { mean, std }` | `ln(t/(1−t))` normal (Stable Diffusion 3: 0, 1) |
///
/// # Reference
/// Ho et al. 2020, algorithm 1, arXiv:2006.11239; Song et al. 2021b, section 4.2 (importance
/// sampling), arXiv:2101.09258; Karras et al. 2022, table 1, arXiv:2206.00364; Esser et al. 2024,
/// eq. 19, arXiv:2403.03206.
///
/// ```
/// use tweedie_math::{TimeDensity, VariancePreserving};
///
/// let density = TimeDensity::LogitNormal { mean: 0.0, std: 1.0 };
/// assert!((density.time(VariancePreserving::default(), 0.5) - 0.5).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeDensity {
    /// `t` uniform between `min` and `max`.
    Uniform {
        /// The smallest time.
        min: f64,
        /// The largest time.
        max: f64,
    },
    /// The times `i/(count − 1)` of the nodes of a [`Chain`](crate::Chain).
    Nodes {
        /// The number of nodes, that of the chain, at least 1.
        count: usize,
    },
    /// The log-SNR is uniform between those of the times `min` and `max`, within ±20. With
    /// [`Weighting::Snr`](crate::Weighting::Snr) this is the likelihood's weight, up to a factor,
    /// by importance sampling.
    UniformLogSnr {
        /// The smallest time.
        min: f64,
        /// The largest time.
        max: f64,
    },
    /// The logarithm of the noise-to-signal ratio is normal.
    LogNormal {
        /// The mean of `ln(σ/α)`.
        mean: f64,
        /// The standard deviation of `ln(σ/α)`.
        std: f64,
    },
    /// The logit of the time is normal.
    LogitNormal {
        /// The mean of the logit.
        mean: f64,
        /// The standard deviation of the logit.
        std: f64,
    },
}

impl Default for TimeDensity {
    /// Uniform on `[10⁻³, 1]`.
    fn default() -> Self {
        Self::Uniform {
            min: 1e-3,
            max: 1.0,
        }
    }
}

impl TimeDensity {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`ScheduleError::Parameter`] unless `0 ≤ min < max ≤ 1`, `mean` is finite, and `std` is
    /// finite and above 0.
    pub fn check(self) -> Result<(), ScheduleError> {
        match self {
            Self::Nodes { count } => parameter("count", "at least 1", count as f64, count > 0),
            Self::Uniform { min, max } | Self::UniformLogSnr { min, max } => {
                parameter("min", "within [0, 1)", min, (0.0..1.0).contains(&min))?;
                parameter("max", "above min, at most 1", max, max > min && max <= 1.0)
            }
            Self::LogNormal { mean, std } | Self::LogitNormal { mean, std } => {
                parameter("mean", "finite", mean, true)?;
                parameter("std", "above 0", std, std > 0.0)
            }
        }
        .map(|_| ())
    }

    /// Returns the `u`-quantile of the times.
    ///
    /// # Panics
    /// If `u` is outside `[0, 1]`.
    #[must_use]
    pub fn time(self, schedule: impl Schedule, u: f64) -> f64 {
        assert!((0.0..=1.0).contains(&u), "a share of {u}");
        let normal = |mean: f64, std: f64| mean + std * Normal::standard().inverse_cdf(u);
        match self {
            Self::Uniform { min, max } => min + u * (max - min),
            Self::Nodes { count } => {
                let place = ((u * count as f64) as usize).min(count.saturating_sub(1));
                place as f64 / count.saturating_sub(1).max(1) as f64
            }
            Self::UniformLogSnr { min, max } => {
                let [from, to] = [min, max].map(|t| schedule.level(t).log_snr().clamp(-20.0, 20.0));
                schedule.time(from + u * (to - from))
            }
            Self::LogNormal { mean, std } => schedule.time(-2.0 * normal(mean, std)),
            Self::LogitNormal { mean, std } => 1.0 / (1.0 + (-normal(mean, std)).exp()),
        }
    }
}

/// Returns `count` evenly spaced numbers `(i + u)/count` in `[0, 1]`, with a common shift `u`.
///
/// For uniform `u ∈ [0, 1)` each of them is uniform on its own `1/count`-th of the interval, so
/// that together they cover `[0, 1)`.
///
/// # Panics
/// If `u` is outside `[0, 1]`.
///
/// # Reference
/// Kingma et al. 2021, appendix I.1, arXiv:2107.00630.
#[must_use]
pub fn stratified(u: f64, count: usize) -> Vec<f64> {
    assert!((0.0..=1.0).contains(&u), "a shift of {u}");
    (0..count).map(|i| (i as f64 + u) / count as f64).collect()
}
