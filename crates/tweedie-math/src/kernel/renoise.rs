//! Partial renoising: `x_s = α_s x̂₀ + σ_s (√(1 − ζ) ε̂ + √ζ z)`.
//!
//! ζ = 0 is deterministic DDIM. ζ = 1 discards the state and renoises the clean estimate.
//!
//! # Reference
//! Zhu et al. 2023, "DiffPIR", algorithm 1, arXiv:2305.08995.

use super::Kernel;
use crate::schedule::deserialize_checked;
use crate::{Level, MoveError, ParameterError, Transition};
use serde::Serialize;

/// The sampler of DiffPIR.
///
/// The fraction ζ of the noise variance is fresh in every move, regardless of the step length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Renoise {
    zeta: f64,
}

impl Renoise {
    /// Returns the sampler with the fraction `zeta` of fresh variance (DiffPIR: 0.1 to 1, by task).
    ///
    /// # Errors
    /// [`ParameterError`] unless ζ is in `[0, 1]`.
    pub fn new(zeta: f64) -> Result<Self, ParameterError> {
        let zeta = ParameterError::require_fraction("ζ", zeta)?;
        Ok(Self { zeta })
    }
}

deserialize_checked!(Renoise { zeta });

impl Kernel for Renoise {
    fn transition(&self, from: Level, to: Level) -> Result<Transition, MoveError> {
        if self.zeta > 0.0 && to.is_noisier_than(from) {
            return Err(MoveError::Uphill);
        }
        let state = (1.0 - self.zeta).sqrt() * to.sigma() / from.sigma();
        let transition = Transition {
            state,
            clean: to.alpha() - state * from.alpha(),
            noise: self.zeta.sqrt() * to.sigma(),
        };
        transition.checked()
    }
}
