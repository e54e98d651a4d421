//! DDPM's ancestral sampler with the network's learned variance.
//!
//! The mean is that of [`Ancestral`]. The variance of every value is `exp(w ln β + (1 − w) ln β̃)`,
//! with `w` from the denoiser's [`Posterior`]. If the denoiser returns no `w`, the variance is
//! `β̃`.
//!
//! # Reference
//! Nichol & Dhariwal 2021, eq. 15, arXiv:2102.09672.

use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_core::{Advance, Posterior};
use tweedie_math::{Ancestral, Kernel, Move, Transition};

/// Ancestral sampling with learned variance.
///
/// ```
/// use tweedie_math::{Chain, LevelPath, Spacing};
/// use tweedie_samplers::{LearnedAncestral, Sampler};
///
/// let chain = Chain::squared_cosine(4000, 0.999)?;
/// let path = LevelPath::respaced(&chain, Spacing::Linspace, 100)?;
/// let sampler = Sampler::new(LearnedAncestral, path);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnedAncestral;

impl<const D: usize> Step<D> for LearnedAncestral {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let Posterior {
            clean,
            interpolation,
        } = context.denoiser.estimate(x.clone(), mv.from)?;
        let small = Ancestral::small().transition(mv.from, mv.to)?;
        let large = Ancestral::large().transition(mv.from, mv.to)?;
        let Some(w) = interpolation.filter(|_| small.noise > 0.0) else {
            let x = small.advance(mv, x, clean.clone(), &mut *context.noise);
            return Ok(State::new(mv.to, x, Some(clean)));
        };
        // Standard deviations interpolate as half of the log-variances.
        let std = (w * (large.noise / small.noise).ln() + small.noise.ln()).exp();
        let mean = Transition {
            noise: 0.0,
            ..small
        };
        let mean = mean.advance(mv, x, clean.clone(), &mut *context.noise);
        let z = context.noise.increment(mv, &mean);
        Ok(State::new(mv.to, mean + z * std, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        Ancestral::small().transition(mv.from, mv.to)?;
        Ok(())
    }
}

impl Convergence for LearnedAncestral {
    fn order(&self) -> usize {
        1
    }
}
