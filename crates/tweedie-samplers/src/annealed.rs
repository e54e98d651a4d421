//! Annealed Langevin dynamics: `T` moves of Langevin dynamics at every level.
//!
//! At each level `x ← x + (a/2) ∇ log p(x_t) + √a z`, `a = ε₀ (σ/σ_L)²` with the noise relative to
//! the signal. A move to clean data returns the estimate itself, as later work recommends.
//!
//! # Reference
//! Song & Ermon 2019, algorithm 1, arXiv:1907.05600; Jolicoeur-Martineau et al. 2020 (the last
//! move), arXiv:2009.05475.

use crate::{Langevin, State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_math::{Level, Move, ParameterError};

/// Annealed Langevin dynamics.
///
/// ```
/// use tweedie_math::{LevelPath, Span, VarianceExploding};
/// use tweedie_samplers::{AnnealedLangevin, Sampler};
///
/// let path = LevelPath::log_snr(VarianceExploding::default(), Span::FULL, 10)?;
/// let step = AnnealedLangevin::new(100, 2e-5, path.end())?;
/// let sampler = Sampler::new(step, path.then_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AnnealedLangevin {
    langevin: Langevin,
    repeats: usize,
}

impl AnnealedLangevin {
    /// Makes `repeats` moves at every level that the path moves to. `epsilon` is `ε₀`, and `last`
    /// the least noisy level. Song & Ermon use 100 and 2·10⁻⁵.
    ///
    /// # Errors
    /// [`ParameterError`] if `repeats` is 0, or unless ε₀ and the last level's `σ/α` are finite and
    /// above 0.
    pub fn new(repeats: usize, epsilon: f64, last: Level) -> Result<Self, ParameterError> {
        Ok(Self {
            langevin: Langevin::annealed(epsilon, last.noise_to_signal())?,
            repeats: ParameterError::require_count("the number of repeats", repeats)?,
        })
    }
}

impl<const D: usize> Step<D> for AnnealedLangevin {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        if mv.to.sigma() == 0.0 {
            let clean = context.denoise(x, mv.from)?;
            return Ok(State::new(
                mv.to,
                clean.clone() * mv.to.alpha(),
                Some(clean),
            ));
        }
        // Where α changes between levels, the distribution is rescaled with it.
        let scaled = x * (mv.to.alpha() / mv.from.alpha());
        let start = State::new(mv.to, scaled, None);
        let stay = Move::staying(mv.to);
        (0..self.repeats).try_fold(start, |state, _| {
            self.langevin.step(state.x, stay, context, &mut ())
        })
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.require_down()?;
        mv.from.require_signal()?;
        Ok(mv.from.require_noise()?)
    }
}
