//! The reverse-diffusion predictor: a forward step, reversed with the score.
//!
//! A forward step is `x_t = r x_s + G z` with `r = α_t/α_s` and `G² = σ_t² − r² σ_s²`. Its reverse
//! is `x_s = (2 − r) x_t + G² ŝ(x_t) + G z` with `ŝ = (α_t x̂₀ − x_t)/σ_t²`. The move to clean data
//! adds no noise. The printed algorithms add noise in every step; the authors' code returns the
//! mean of the last one.
//!
//! # Reference
//! Song et al. 2021, eq. 46 and algorithms 2 (VE) and 3 (VP), arXiv:2011.13456.

use super::Kernel;
use crate::{Level, MoveError, Transition, forward};
use serde::{Deserialize, Serialize};

/// The reverse-diffusion predictor of Song et al.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseDiffusion;

impl Kernel for ReverseDiffusion {
    fn transition(&self, from: Level, to: Level) -> Result<Transition, MoveError> {
        if to.is_noisier_than(from) {
            return Err(MoveError::Uphill);
        }
        let step = forward::conditional(to, from);
        let pull = (step.noise / from.sigma()).powi(2);
        let transition = Transition {
            state: 2.0 - step.state - pull,
            clean: pull * from.alpha(),
            noise: if to.sigma() > 0.0 { step.noise } else { 0.0 },
        };
        transition.checked()
    }
}
