//! DDIM: a family of samplers from the deterministic flow (η = 0) to DDPM (η = 1).
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
    /// η = 0: an exponential integrator of the probability flow.
    ///
    /// The transition is also valid for forward moves, which raise the noise.
    #[must_use]
    pub fn deterministic() -> Self {
        Self { eta: 0.0 }
    }

    /// η = 1: the same law as DDPM.
    #[must_use]
    pub fn ancestral() -> Self {
        Self { eta: 1.0 }
    }

    /// Returns the sampler with any η ≥ 0.
    ///
    /// The standard deviation of the fresh noise is capped at `σ_s`, the noise of the new level.
    ///
    /// # Errors
    /// [`ParameterError`] unless η is finite and at least 0.
    pub fn new(eta: f64) -> Result<Self, ParameterError> {
        let eta = ParameterError::require_non_negative("η", eta)?;
        Ok(Self { eta })
    }

    /// The standard deviation of the fresh noise relative to DDPM's.
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
