//! Ancestral sampling: the posterior `q(x_s | x_t, x₀)` with the estimate in place of `x₀`.
//!
//! Its mean is that of [`gaussian::posterior`]; its variance is `β̃`, `β`, or between the two.
//!
//! # Reference
//! Ho et al. 2020, algorithm 2 and section 3.2, arXiv:2006.11239; Nichol & Dhariwal 2021, eq. 15
//! (interpolated variance), arXiv:2102.09672.

use super::Kernel;
use crate::{Level, Transition, forward, gaussian};
use serde::{Deserialize, Serialize};

/// The variance of an ancestral step. With `β = σ_t² − (α_t/α_s)² σ_s²` and `β̃ = β σ_s²/σ_t²`:
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PosteriorVariance {
    /// `β̃`, exact for data that are one point.
    #[default]
    Small,
    /// `β`, exact for data `N(0, I)`.
    Large,
    /// `exp(v ln β + (1 − v) ln β̃)` with `v ∈ [0, 1]`; another makes no move.
    Interpolated(f64),
}

/// DDPM's ancestral sampler. A step to clean data (`σ_s = 0`) adds no noise; there is none upwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ancestral {
    /// Which variance the step has.
    pub variance: PosteriorVariance,
}

impl Ancestral {
    /// The sampler with the given variance.
    #[must_use]
    pub fn new(variance: PosteriorVariance) -> Self {
        Self { variance }
    }
}

impl Kernel for Ancestral {
    fn transition(&self, from: Level, to: Level) -> Transition {
        if to.is_noisier_than(from) {
            return Transition::INVALID;
        }
        let posterior = gaussian::posterior(from, to);
        let small = posterior.noise;
        let large = forward::conditional(to, from).noise;
        let noise = match self.variance {
            _ if to.sigma() == 0.0 => 0.0,
            PosteriorVariance::Small => small,
            PosteriorVariance::Large => large,
            PosteriorVariance::Interpolated(v) if !(0.0..=1.0).contains(&v) => f64::NAN,
            PosteriorVariance::Interpolated(v) => large.powf(v) * small.powf(1.0 - v),
        };
        Transition { noise, ..posterior }
    }
}
