//! DDPM's ancestral sampler with the variance that the network learned.
//!
//! The mean is that of [`Ancestral`]; the variance of every value is `exp(w ln β + (1 − w) ln β̃)`,
//! where the denoiser's [`Posterior`] says `w`. A denoiser that says none gets `β̃`.
//!
//! # Reference
//! Nichol & Dhariwal 2021, eq. 15, arXiv:2102.09672.

use crate::{State, Step};
use burn::tensor::Tensor;
use tweedie_core::{Advance, Denoiser, Noise, Posterior};
use tweedie_math::{Ancestral, Kernel, Move, PosteriorVariance, Transition};

/// Ancestral sampling with learned variance.
///
/// ```
/// use tweedie_math::{Chain, Path, Spacing};
/// use tweedie_samplers::{LearnedAncestral, Sampler};
///
/// let chain = Chain::squared_cosine(4000, 0.999)?;
/// let path = Path::respaced(&chain, Spacing::Linspace, 100)?;
/// let sampler = Sampler::new(LearnedAncestral, path);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnedAncestral;

impl<const D: usize> Step<D> for LearnedAncestral {
    type Memory = ();

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        let Posterior {
            clean,
            interpolation,
        } = denoiser.estimate(x.clone(), mv.from);
        let small = Ancestral::default().transition(mv.from, mv.to);
        let large = Ancestral::new(PosteriorVariance::Large).transition(mv.from, mv.to);
        let Some(w) = interpolation.filter(|_| small.noise > 0.0) else {
            let x = small.advance(mv, x, clean.clone(), noise);
            return State::new(mv.to, x, Some(clean));
        };
        // Standard deviations: half of the log-variances.
        let std = (w * (large.noise / small.noise).ln() + small.noise.ln()).exp();
        let mean = Transition {
            noise: 0.0,
            ..small
        };
        let mean = mean.advance(mv, x, clean.clone(), noise);
        let z = noise.increment(mv, &mean);
        State::new(mv.to, mean + z * std, Some(clean))
    }

    fn supports(&self, mv: Move) -> bool {
        Ancestral::default().transition(mv.from, mv.to).is_valid()
    }
}
