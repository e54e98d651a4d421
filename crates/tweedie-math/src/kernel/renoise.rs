//! A part of the noise is drawn anew: `x_s = α_s x̂₀ + σ_s (√(1 − ζ) ε̂ + √ζ z)`.
//!
//! ζ = 0 is deterministic DDIM; ζ = 1 forgets the state and keeps the estimate alone.
//!
//! # Reference
//! Zhu et al. 2023, "DiffPIR", algorithm 1, arXiv:2305.08995.

use super::Kernel;
use crate::{Level, Transition};
use serde::{Deserialize, Serialize};

/// The sampler of DiffPIR: the part ζ of the noise's variance is fresh in every move, however short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Renoise {
    /// The fresh part of the variance, from 0 to 1.
    pub zeta: f64,
}

impl Renoise {
    /// Draws the part `zeta` of the variance anew (DiffPIR: 0.1 to 1, by task).
    #[must_use]
    pub fn new(zeta: f64) -> Self {
        Self { zeta }
    }
}

impl Kernel for Renoise {
    fn transition(&self, from: Level, to: Level) -> Transition {
        if !(0.0..=1.0).contains(&self.zeta) || (self.zeta > 0.0 && to.is_noisier_than(from)) {
            return Transition::INVALID;
        }
        let state = (1.0 - self.zeta).sqrt() * to.sigma() / from.sigma();
        Transition {
            state,
            clean: to.alpha() - state * from.alpha(),
            noise: self.zeta.sqrt() * to.sigma(),
        }
    }
}
