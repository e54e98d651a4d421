//! Replacement: after each step, the measured part of the state becomes that of a noised
//! measurement, `x_s ← x_s + A⁺ (α_s y + σ_s A z − A x_s)`.
//!
//! With a mask, this is RePaint's `m ∘ (α_s y + σ_s z) + (1 − m) ∘ x_s`, around any step. For its
//! time travel, use [`LevelPath::with_time_travel`](tweedie_math::LevelPath::with_time_travel).
//! With other operators, this is the projection of score-SDE's inpainting and colourisation. The
//! measurement is assumed to be noiseless: the result reproduces a noisy one with its noise.
//!
//! # Reference
//! Lugmayr et al. 2022, "RePaint", algorithm 1, arXiv:2201.09865; Song et al. 2021, appendix I.2
//! and I.3, arXiv:2011.13456; Chung et al. 2022 (MCG), algorithms 1 and 2, arXiv:2206.00941.

use crate::measurement::{LinearMeasured, accepts_linear};
use crate::posterior::pseudo_inverse;
use burn::tensor::{Device, Tensor};
use tweedie_core::{DenoiseError, InputError, Noise};
use tweedie_math::{Level, Move};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// RePaint around any step, for linear operators.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, from_fn};
/// use tweedie_inverse::measurement::Measurement;
/// use tweedie_inverse::noise::GaussianNoise;
/// use tweedie_inverse::operator::{Mask, Operator};
/// use tweedie_inverse::posterior::RePaint;
/// use tweedie_math::{Ancestral, Level, LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::Sampler;
///
/// // Jumps of 10 moves, each walked 3 times.
/// let mask = Mask::missing_box([8, 8], [2, 2], [4, 4])?;
/// let y = mask.apply(Tensor::ones([1, 1, 8, 8], &Device::flex()));
/// let measured = Measurement::new(mask, GaussianNoise::new(0.01)?, y);
/// let step = RePaint::new(Ancestral::default(), &measured);
/// let path = LevelPath::uniform(VariancePreserving::default(), Span::FULL, 20)?;
/// let path = path.with_time_travel(10, 3);
/// let prior = from_fn(|x: Tensor<4>, level: Level| x * (level.alpha() / level.rms().powi(2)));
/// let mut noise = HostNoise::seeded(7);
/// let sampler = Sampler::new(step, path);
/// let x = sampler.start([2, 1, 8, 8], &Device::flex(), &mut noise)?;
/// let x = sampler.sample(&prior, x, &mut noise)?;
/// let gap = measured.operator.apply(x) - measured.y.clone();
/// assert_eq!(gap.abs().max().into_scalar::<f32>(), 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RePaint<S, P> {
    step: S,
    problem: P,
}

impl<S, P> RePaint<S, P> {
    /// Replaces the measured part after every move of `step`. The noise level is ignored.
    pub fn new(step: S, problem: P) -> Self {
        Self { step, problem }
    }
}

/// Replaces `x` by `x + A⁺ (α y + σ A z − A x)` at the level of the state.
pub(super) fn replace<const D: usize>(
    problem: &(impl LinearMeasured<D> + ?Sized),
    state: State<D>,
    noise: &mut dyn Noise<D>,
) -> Result<State<D>, DenoiseError> {
    let (a, level) = (problem.linear(), state.level);
    let mut target = problem.y() * level.alpha();
    if level.sigma() > 0.0 {
        let z = noise.normal_like(&state.x);
        target = target + a.apply(z) * level.sigma();
    }
    let gap = target - a.apply(state.x.clone());
    Ok(State {
        x: state.x + pseudo_inverse(a, gap)?,
        ..state
    })
}

impl<const D: usize, S: Step<D>, P: LinearMeasured<D>> Step<D> for RePaint<S, P> {
    type Memory = S::Memory;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut S::Memory,
    ) -> Result<State<D>, StepError> {
        let state = self.step.step(x, mv, context, memory)?;
        Ok(replace(&self.problem, state, context.noise)?)
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.step.check(mv)
    }

    fn check_forward(&self, mv: Move) -> Result<(), StepError> {
        self.step.check_forward(mv)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)?;
        self.step.accepts(shape)
    }

    fn start(
        &self,
        shape: [usize; D],
        level: Level,
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError> {
        self.step.start(shape, level, device, noise)
    }
}
