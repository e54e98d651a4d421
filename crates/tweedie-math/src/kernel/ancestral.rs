//! Ancestral sampling: the posterior `q(x_s | x_t, x₀)` with the estimate in place of `x₀`.
//!
//! The mean is that of [`gaussian::posterior`]; the variance is `β̃`, `β` or an interpolation of
//! both.
//!
//! # Reference
//! Ho et al. 2020, algorithm 2 and section 3.2, arXiv:2006.11239; Nichol & Dhariwal 2021, eq. 15
//! (interpolated variance), arXiv:2102.09672.

use super::Kernel;
use crate::{Level, MoveError, ParameterError, Transition, forward, gaussian};
use serde::{Deserialize, Serialize};

/// The variance of an ancestral step.
///
/// With `β = σ_t² − (α_t/α_s)² σ_s²` and `β̃ = β σ_s²/σ_t²`. The exact variance for data from
/// `N(0, c I)` is `β v_s/v_t` with `v = α² c + σ²`; its mean is that of this kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PosteriorVariance {
    /// `β̃`, exact if all data are one point, `c = 0`.
    #[default]
    Small,
    /// `β`, exact if `v_s = v_t`: for data from `N(0, I)` on a variance-preserving schedule.
    Large,
    /// `exp(v ln β + (1 − v) ln β̃)` with `v ∈ [0, 1]`.
    Interpolated(f64),
}

/// DDPM's ancestral sampler.
///
/// A step to clean data (`σ_s = 0`) adds no noise. A move that adds noise is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Ancestral {
    variance: PosteriorVariance,
}

#[derive(Deserialize)]
struct Raw {
    variance: PosteriorVariance,
}

impl TryFrom<Raw> for Ancestral {
    type Error = ParameterError;

    fn try_from(raw: Raw) -> Result<Self, ParameterError> {
        Self::new(raw.variance)
    }
}

impl Ancestral {
    /// The sampler with variance `β̃`, the default.
    #[must_use]
    pub fn small() -> Self {
        Self {
            variance: PosteriorVariance::Small,
        }
    }

    /// The sampler with variance `β`.
    #[must_use]
    pub fn large() -> Self {
        Self {
            variance: PosteriorVariance::Large,
        }
    }

    /// Returns the sampler with the given variance.
    ///
    /// # Errors
    /// [`ParameterError`] for an interpolation weight `v` outside `[0, 1]`.
    pub fn new(variance: PosteriorVariance) -> Result<Self, ParameterError> {
        if let PosteriorVariance::Interpolated(v) = variance {
            ParameterError::require_fraction("v", v)?;
        }
        Ok(Self { variance })
    }
}

impl Kernel for Ancestral {
    fn transition(&self, from: Level, to: Level) -> Result<Transition, MoveError> {
        let posterior = gaussian::posterior(from, to)?;
        let small = posterior.noise;
        let large = forward::conditional(to, from).noise;
        let noise = match self.variance {
            _ if to.sigma() == 0.0 => 0.0,
            PosteriorVariance::Small => small,
            PosteriorVariance::Large => large,
            PosteriorVariance::Interpolated(v) => large.powf(v) * small.powf(1.0 - v),
        };
        Transition { noise, ..posterior }.checked()
    }
}
