//! Replacement: after each step the measured part of the state becomes that of a noisy measurement,
//! `x_s ← x_s + A⁺ (α_s y + σ_s A z − A x_s)`.
//!
//! With a mask that is RePaint's `m ∘ (α_s y + σ_s z) + (1 − m) ∘ x_s`, around any step; its time
//! travel is [`Path::with_time_travel`](tweedie_math::Path::with_time_travel). With other operators it
//! is the projection of score-SDE's inpainting and colourisation. The measurement is taken to be without
//! noise: a noisy one is reproduced, noise included.
//!
//! # Reference
//! Lugmayr et al. 2022, "RePaint", algorithm 1, arXiv:2201.09865; Song et al. 2021, appendix I.2 and
//! I.3, arXiv:2011.13456; Chung et al. 2022 (MCG), algorithms 1 and 2, arXiv:2206.00941.

use crate::adjoint::check_adjoint;
use crate::guidance::settled_pinv;
use crate::measurement::check_measured;
use crate::{DpsStep, Linear, Operator, residual};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError, Noise};
use tweedie_math::Move;
use tweedie_samplers::{State, Step};

/// Replacement around any step, for linear operators.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, from_fn};
/// use tweedie_inverse::{Mask, Operator, Replace};
/// use tweedie_math::{Ancestral, Level, Path, Span, VariancePreserving};
/// use tweedie_samplers::Sampler;
///
/// // RePaint: jumps of 10 moves, each walked 3 times.
/// let mask = Mask::missing_box([8, 8], [2, 2], [4, 4])?;
/// let y = mask.apply(Tensor::ones([1, 1, 8, 8], &Device::flex()));
/// let step = Replace::new(Ancestral::default(), mask.clone(), y.clone());
/// let path = Path::uniform(VariancePreserving::default(), Span::FULL, 20)?.with_time_travel(10, 3);
/// let prior = from_fn(|x: Tensor<4>, level: Level| x * (level.alpha() / level.rms().powi(2)));
/// let mut noise = HostNoise::seeded(7);
/// let sampler = Sampler::new(step, path);
/// let x = sampler.start([2, 1, 8, 8], &Device::flex(), &mut noise);
/// let x = sampler.sample(&prior, x, &mut noise)?;
/// assert_eq!((mask.apply(x) - y).abs().max().into_scalar::<f32>(), 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Replace<const D: usize, S, A> {
    step: S,
    operator: A,
    y: Tensor<D>,
}

impl<const D: usize, S, A: Linear<D>> Replace<D, S, A> {
    /// Replaces what was measured after every move of `step`; a `y` of batch 1 is shared.
    pub fn new(step: S, operator: A, y: Tensor<D>) -> Self {
        Self { step, operator, y }
    }
}

/// Manifold-constrained gradients (MCG): the gradient step of DPS, then replacement.
pub fn mcg<const D: usize, K, A: Operator<D> + Linear<D> + Clone>(
    kernel: K,
    operator: A,
    y: Tensor<D>,
    zeta: f64,
) -> Replace<D, DpsStep<D, K, A>, A> {
    let step = DpsStep {
        kernel,
        operator: operator.clone(),
        y: y.clone(),
        zeta,
    };
    Replace::new(step, operator, y)
}

impl<const D: usize, S: Step<D>, A: Linear<D>> Step<D> for Replace<D, S, A> {
    type Memory = S::Memory;

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        memory: &mut S::Memory,
    ) -> State<D> {
        let state = self.step.step(denoiser, x, mv, noise, memory);
        let mut target = self.y.clone() * mv.to.alpha();
        if mv.to.sigma() > 0.0 {
            let z = noise.normal_like(&state.x);
            target = target + self.operator.apply(z) * mv.to.sigma();
        }
        let gap = residual::of(&self.operator, target, state.x.clone());
        State {
            x: state.x + settled_pinv(&self.operator, gap),
            ..state
        }
    }

    fn supports(&self, mv: Move) -> bool {
        self.step.supports(mv)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        check_measured(&self.operator, &self.y, shape)?;
        check_adjoint(&self.operator, &self.y, shape)?;
        self.step.accepts(shape)
    }
}
