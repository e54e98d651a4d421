//! Schedules: the level as a function of time.

#[macro_use]
mod any;

mod brownian;
mod chain;
mod cosine;
mod edm;
mod from_beta;
mod ou;
mod rectified_flow;
mod sigmoid;
mod sub_vp;
mod ve;
mod vp;

use crate::{Level, ParameterError};
use serde::{Deserialize, Serialize};

pub use brownian::Brownian;
pub use chain::Chain;
pub use cosine::Cosine;
pub use edm::Edm;
pub use from_beta::FromBeta;
pub use ou::OrnsteinUhlenbeck;
pub use rectified_flow::RectifiedFlow;
pub use sigmoid::Sigmoid;
pub use sub_vp::SubVariancePreserving;
pub use ve::VarianceExploding;
pub use vp::VariancePreserving;

schedules! {
    /// Variance preserving, linear β.
    VariancePreserving,
    /// Sub-variance preserving.
    SubVariancePreserving,
    /// Variance exploding, geometric.
    VarianceExploding,
    /// Brownian motion.
    Brownian,
    /// Ornstein–Uhlenbeck.
    OrnsteinUhlenbeck,
    /// Cosine.
    Cosine,
    /// Sigmoid.
    Sigmoid,
    /// Rectified flow.
    RectifiedFlow,
    /// EDM.
    Edm,
    /// A discrete chain.
    Chain,
}

/// A forward process: the level at each time `t ∈ [0, 1]`, cleanest at 0, noisiest at 1.
///
/// The signal-to-noise ratio decreases strictly in `t`, so a level determines its time.
/// [`level`](Self::level) is the only required method. Most schedules of this crate override the
/// other methods with closed forms.
///
/// ```
/// use tweedie_math::{Level, Schedule};
///
/// /// Linear in the angle: α = cos(πt/2), σ = sin(πt/2).
/// struct Angle;
///
/// impl Schedule for Angle {
///     fn level(&self, t: f64) -> Level {
///         let angle = 0.5 * std::f64::consts::PI * t.clamp(0.0, 1.0);
///         Level::new(angle.cos().max(0.0), angle.sin()).unwrap_or(Level::CLEAN)
///     }
/// }
///
/// assert!((Angle.time(0.0) - 0.5).abs() < 1e-12); // SNR 1 is half way
/// ```
pub trait Schedule {
    /// Returns the level at time `t`.
    ///
    /// Times outside `[0, 1]` are clamped, also in [`rates`](Self::rates) and
    /// [`slope`](Self::slope).
    ///
    /// # Panics
    /// The schedules of this crate panic if `t` is NaN.
    fn level(&self, t: f64) -> Level;

    /// Returns the time at which the log-SNR is `log_snr`, or the nearer end if it is out of range.
    fn time(&self, log_snr: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        if log_snr >= self.level(low).log_snr() {
            return low;
        }
        if log_snr <= self.level(high).log_snr() {
            return high;
        }
        for _ in 0..64 {
            let middle = 0.5 * (low + high);
            if self.level(middle).log_snr() > log_snr {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }

    /// Returns the time of a level on the schedule, or `None` if the level is not on it.
    ///
    /// The level must agree with the schedule's to a relative 10⁻⁶.
    fn time_of(&self, level: Level) -> Option<f64> {
        let t = self.time(level.log_snr());
        let found = self.level(t);
        let gap = (found.alpha() - level.alpha()).abs() + (found.sigma() - level.sigma()).abs();
        (gap < 1e-6 * level.rms()).then_some(t)
    }

    /// Returns the drift and squared diffusion of the forward SDE `dx = f x dt + g dw` at time `t`.
    ///
    /// `f = (ln α)′` and `g² = (σ²)′ − 2 f σ²`, which equals `−σ² (ln SNR)′`. The default
    /// implementation uses central differences.
    fn rates(&self, t: f64) -> Rates {
        let t = cut(t);
        let (a, b) = ((t - 1e-5).max(0.0), (t + 1e-5).min(1.0));
        let (from, to) = (self.level(a), self.level(b));
        let f = (to.alpha() / from.alpha()).ln() / (b - a);
        let growth = (to.sigma() - from.sigma()) * (to.sigma() + from.sigma()) / (b - a);
        Rates {
            f,
            g2: growth - 2.0 * f * self.level(t).sigma().powi(2),
        }
    }

    /// Returns the slopes `α′` and `σ′` of the probability flow `dx/dt = α′ x̂₀ + σ′ ε̂` at time
    /// `t`.
    ///
    /// The default implementation uses [`rates`](Self::rates): `α′ = f α`, `σ′ = f σ + g²/(2σ)`.
    fn slope(&self, t: f64) -> Slope {
        let (level, rates) = (self.level(t), self.rates(t));
        Slope {
            alpha: rates.f * level.alpha(),
            sigma: rates.f * level.sigma() + 0.5 * rates.g2 / level.sigma(),
        }
    }
}

/// The drift and squared diffusion of `dx = f x dt + g dw`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// `f = (ln α)′`.
    pub f: f64,
    /// `g² = −σ² (ln SNR)′`.
    pub g2: f64,
}

/// The time derivative of a level: `(α′, σ′)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// `α′`.
    pub alpha: f64,
    /// `σ′`.
    pub sigma: f64,
}

/// Why a schedule is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A chain with too few nodes.
    #[error("a chain needs at least {expected} nodes, got {count}")]
    TooShort {
        /// The minimum number of nodes.
        expected: usize,
        /// The actual number of nodes.
        count: usize,
    },
    /// A β outside `(0, 1]`, or an ᾱ outside `[0, 1)` or not below the previous one.
    #[error("node {index}: {name} has to be {expected}, got {value}")]
    Node {
        /// The node's index, from 0.
        index: usize,
        /// `"β"` or `"ᾱ"`.
        name: &'static str,
        /// The range of valid values, in words.
        expected: &'static str,
        /// The invalid value.
        value: f64,
    },
}

impl<S: Schedule + ?Sized> Schedule for &S {
    fn level(&self, t: f64) -> Level {
        (**self).level(t)
    }
    fn time(&self, log_snr: f64) -> f64 {
        (**self).time(log_snr)
    }
    fn rates(&self, t: f64) -> Rates {
        (**self).rates(t)
    }
    fn slope(&self, t: f64) -> Slope {
        (**self).slope(t)
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn level(&self, t: f64) -> Level {
        (**self).level(t)
    }
    fn time(&self, log_snr: f64) -> f64 {
        (**self).time(log_snr)
    }
    fn rates(&self, t: f64) -> Rates {
        (**self).rates(t)
    }
    fn slope(&self, t: f64) -> Slope {
        (**self).slope(t)
    }
}

/// Clamps a time to `[0, 1]`.
///
/// # Panics
/// If `t` is NaN.
pub(crate) fn cut(t: f64) -> f64 {
    assert!(!t.is_nan(), "a time that is not a number");
    t.clamp(0.0, 1.0)
}

/// Returns `value` if `holds` and it is finite, else a [`ScheduleError::Parameter`].
pub(crate) fn parameter(
    name: &'static str,
    expected: &'static str,
    value: f64,
    holds: bool,
) -> Result<f64, ScheduleError> {
    let legal = holds && value.is_finite();
    Ok(ParameterError::require(legal, name, expected, value)?)
}

/// Implements `Deserialize` from the named parameters through the type's checking constructor.
macro_rules! deserialize_checked {
    ($name:ident { $($field:ident),+ }) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Raw { $($field: f64),+ }
                let raw = Raw::deserialize(from)?;
                Self::new($(raw.$field),+).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use deserialize_checked;
