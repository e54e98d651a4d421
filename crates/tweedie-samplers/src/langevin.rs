//! Langevin dynamics at one level: the corrector of Song et al., and the unadjusted Langevin
//! algorithm (ULA).
//!
//! `x ← x + ε ∇ log p(x_t) + √(2ε) z` keeps the distribution at its level, up to a bias of the
//! order of ε, and corrects the errors of earlier moves.
//!
//! | rule | ε |
//! |---|---|
//! | [`fixed`](Langevin::fixed) | a number |
//! | [`signal_to_noise`](Langevin::signal_to_noise) | `2 (r ‖z‖/‖s‖)²`, for each sample |
//! | the same [`on_chain`](Langevin::on_chain) | `2 (1 − β_i) (r ‖z‖/‖s‖)²` |
//! | [`annealed`](Langevin::annealed) | `α² ε₀ (σ/σ_L)²/2`, with `σ/α` for both σ |
//!
//! # Reference
//! Song et al. 2021, algorithms 4 (VE) and 5 (VP), arXiv:2011.13456; Song & Ermon 2019, algorithm 1
//! (annealed), arXiv:1907.05600; Roberts & Tweedie 1996 (ULA).

use crate::{State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_core::per_sample_sum;
use tweedie_math::{Chain, Level, Move, ParameterError};

/// One move of Langevin dynamics at a level;
/// [`LevelPath::staying`](tweedie_math::LevelPath::staying) makes a chain of such moves.
///
/// ```
/// use tweedie_math::{Level, LevelPath};
/// use tweedie_samplers::{Langevin, Sampler};
///
/// // ULA: a thousand moves that sample x = x₀ + 0.5 ε.
/// let path = LevelPath::staying(Level::variance_exploding(0.5)?, 1000)?;
/// let sampler = Sampler::new(Langevin::fixed(0.01)?, path);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Langevin {
    size: Size,
}

#[derive(Clone, Debug, PartialEq)]
enum Size {
    Fixed(f64),
    SignalToNoise(f64, Option<Chain>),
    Annealed(f64, f64),
}

impl Langevin {
    /// Uses the same ε at every level.
    ///
    /// # Errors
    /// [`ParameterError`] unless ε is finite and above 0.
    pub fn fixed(epsilon: f64) -> Result<Self, ParameterError> {
        let epsilon = ParameterError::require_positive("ε", epsilon)?;
        Ok(Self {
            size: Size::Fixed(epsilon),
        })
    }

    /// Song's rule with the ratio `r` (0.16 for their CIFAR-10 models).
    ///
    /// Norms are per sample; the published code averages them over the batch. The rule is meant for
    /// images, whose norms are close to their average. In a few dimensions the score can vanish,
    /// which makes ε unbounded.
    ///
    /// # Errors
    /// [`ParameterError`] unless `r` is finite and above 0.
    pub fn signal_to_noise(r: f64) -> Result<Self, ParameterError> {
        let r = ParameterError::require_positive("r", r)?;
        Ok(Self {
            size: Size::SignalToNoise(r, None),
        })
    }

    /// Song's rule for a VP chain: multiplies ε by `1 − β_i` of the level's node. Other rules
    /// ignore the chain.
    #[must_use]
    pub fn on_chain(self, chain: Chain) -> Self {
        match self.size {
            Size::SignalToNoise(r, _) => Self {
                size: Size::SignalToNoise(r, Some(chain)),
            },
            _ => self,
        }
    }

    /// The rule of annealed Langevin dynamics. `epsilon` is `ε₀`, the step at the least noisy
    /// level, whose `σ/α` is `last`.
    ///
    /// # Errors
    /// [`ParameterError`] unless both are finite and above 0.
    pub fn annealed(epsilon: f64, last: f64) -> Result<Self, ParameterError> {
        let epsilon = ParameterError::require_positive("ε", epsilon)?;
        let last = ParameterError::require_positive("the last σ/α", last)?;
        Ok(Self {
            size: Size::Annealed(epsilon, last),
        })
    }

    /// ε as a tensor: one value for the batch, or one for each sample.
    fn epsilon<const D: usize>(&self, level: Level, score: &Tensor<D>, z: &Tensor<D>) -> Tensor<D> {
        let number = |epsilon: f64| Tensor::full([1; D], epsilon, (&score.device(), score.dtype()));
        match &self.size {
            Size::Fixed(epsilon) => number(*epsilon),
            Size::Annealed(epsilon, last) => {
                // α² (σ/α)² = σ², which is finite at pure noise.
                number(0.5 * epsilon * (level.sigma() / last).powi(2))
            }
            Size::SignalToNoise(r, chain) => {
                let kept = chain.as_ref().map_or(1.0, |chain| {
                    1.0 - chain.beta(chain.index(level).round() as usize)
                });
                let square = |x: &Tensor<D>| {
                    let mut shape = [1; D];
                    shape[0] = x.dims()[0];
                    per_sample_sum(x.clone().square()).reshape(shape)
                };
                square(z) / square(score) * (2.0 * kept * r * r)
            }
        }
    }
}

impl<const D: usize> Step<D> for Langevin {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let level = mv.to;
        let clean = context.denoise(x.clone(), level)?;
        let score = score(&x, &clean, level);
        let z = context.noise.normal_like(&x);
        let epsilon = self.epsilon(level, &score, &z);
        let x = x + score * epsilon.clone() + z * (epsilon * 2.0).sqrt();
        Ok(State::new(level, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.require_staying()?;
        Ok(mv.to.require_noise()?)
    }
}

/// `∇ log p(x_t) = (α x̂₀ − x)/σ²`.
pub(crate) fn score<const D: usize>(x: &Tensor<D>, clean: &Tensor<D>, level: Level) -> Tensor<D> {
    (clean.clone() * level.alpha() - x.clone()) / level.sigma().powi(2)
}
