//! Annealed Langevin dynamics: `T` moves of Langevin dynamics at every level, and nothing between.
//!
//! At each level `x ← x + (a/2) ∇ log p(x_t) + √a z`, `a = ε₀ (σ/σ_L)²` with the noise relative to the
//! signal; a move to clean data returns the estimate itself, as later work recommends.
//!
//! # Reference
//! Song & Ermon 2019, algorithm 1, arXiv:1907.05600; Jolicoeur-Martineau et al. 2020 (the last move),
//! arXiv:2009.05475.

use crate::{Langevin, State, Step};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, Noise};
use tweedie_math::{Level, Move};

/// Annealed Langevin dynamics.
///
/// ```
/// use tweedie_math::{Path, Span, VarianceExploding};
/// use tweedie_samplers::{AnnealedLangevin, Sampler};
///
/// let path = Path::log_snr(VarianceExploding::default(), Span::FULL, 10)?;
/// let step = AnnealedLangevin::new(100, 2e-5, path.end());
/// let sampler = Sampler::new(step, path.then_clean());
/// # Ok::<(), tweedie_math::PathError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AnnealedLangevin {
    langevin: Langevin,
    repeats: usize,
}

impl AnnealedLangevin {
    /// `repeats` moves at every level that a move of the path reaches; `epsilon` is `ε₀`, and `last`
    /// the least noisy level. Song & Ermon: 100 and 2·10⁻⁵.
    #[must_use]
    pub fn new(repeats: usize, epsilon: f64, last: Level) -> Self {
        Self {
            langevin: Langevin::annealed(epsilon, last.noise_to_signal()),
            repeats,
        }
    }
}

impl<const D: usize> Step<D> for AnnealedLangevin {
    type Memory = ();

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        if mv.to.sigma() == 0.0 {
            let clean = denoiser.denoise(x, mv.from);
            return State::new(mv.to, clean.clone() * mv.to.alpha(), Some(clean));
        }
        // The law changes its scale from level to level where α does.
        let scaled = x * (mv.to.alpha() / mv.from.alpha());
        let start = State::new(mv.to, scaled, None);
        let stay = Move::staying(mv.to);
        (0..self.repeats).fold(start, |state, _| {
            self.langevin.step(denoiser, state.x, stay, noise, &mut ())
        })
    }

    fn supports(&self, mv: Move) -> bool {
        let stay = Move::staying(mv.to);
        let ends_clean = mv.to.sigma() == 0.0 && mv.from.sigma() > 0.0;
        let legal = mv.from.alpha() > 0.0 && !mv.is_forward() && self.repeats > 0;
        legal && (ends_clean || Step::<D>::supports(&self.langevin, stay))
    }
}
