//! DDIM: any amount of fresh noise between none (a deterministic flow) and that of DDPM.
//!
//! `x_s = α_s x̂₀ + √(σ_s² − σ̃²) ε̂ + σ̃ z`, `σ̃ = η (σ_s/σ_t) √(σ_t² − (α_t/α_s)² σ_s²)`.
//!
//! # Reference
//! Song, Meng & Ermon 2021, "Denoising Diffusion Implicit Models", eq. 12 and 16,
//! arXiv:2010.02502. η scales the standard deviation, as in the paper.

use super::Kernel;
use crate::schedule::deserialize_checked;
use crate::{Level, MoveError, ParameterError, Transition, forward};
use serde::Serialize;

/// DDIM with noise scale η: 0 is deterministic, 1 is DDPM's ancestral sampler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ddim {
    eta: f64,
}

impl Ddim {
    /// η = 0: an exponential integrator of the probability flow. The transition also holds
    /// upwards in noise.
    #[must_use]
    pub fn deterministic() -> Self {
        Self { eta: 0.0 }
    }

    /// η = 1: the law of DDPM.
    #[must_use]
    pub fn ancestral() -> Self {
        Self { eta: 1.0 }
    }

    /// Any η ≥ 0; the fresh noise is at most all that the new level has.
    ///
    /// # Errors
    /// [`ParameterError`] unless η is finite and at least 0.
    pub fn new(eta: f64) -> Result<Self, ParameterError> {
        let eta = ParameterError::require_non_negative("η", eta)?;
        Ok(Self { eta })
    }

    /// Fresh noise relative to DDPM's, as a standard deviation.
    #[must_use]
    pub fn eta(&self) -> f64 {
        self.eta
    }
}

deserialize_checked!(Ddim { eta });

impl Kernel for Ddim {
    fn transition(&self, from: Level, to: Level) -> Result<Transition, MoveError> {
        if self.eta != 0.0 && to.is_noisier_than(from) {
            return Err(MoveError::Uphill);
        }
        let ratio = to.sigma() / from.sigma();
        let fresh = self.eta * ratio * forward::conditional(to, from).noise;
        let noise = fresh.min(to.sigma());
        let kept = ((to.sigma() - noise) * (to.sigma() + noise)).sqrt();
        let state = kept / from.sigma();
        let transition = Transition {
            state,
            clean: to.alpha() - state * from.alpha(),
            noise,
        };
        transition.checked()
    }
}
