//! ILVR: `x_s ← x_s + φ(α_s y + σ_s z) − φ(x_s)` with a low-pass filter `φ`.
//!
//! The low frequencies of the state become those of a noisy reference; the prior determines the
//! rest.
//!
//! # Reference
//! Choi et al. 2021, "ILVR: Conditioning Method for Denoising Diffusion Probabilistic Models",
//! algorithm 1, arXiv:2108.02938.

use crate::measurement::{LinearMeasured, accepts_linear};
use burn::tensor::{Device, Tensor};
use tweedie_core::{DenoiseError, InputError, Noise};
use tweedie_math::{Level, Move};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// Iterative latent variable refinement around any step.
///
/// The measurement is `φ(y)`, the reference after the low-pass filter. By linearity,
/// `φ(α y + σ z) = α φ(y) + σ φ(z)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::measurement::Measurement;
/// use tweedie_inverse::noise::GaussianNoise;
/// use tweedie_inverse::operator::AveragePool;
/// use tweedie_inverse::posterior::Ilvr;
/// use tweedie_inverse::operator::{Operator, Padding, Separable, Taps};
/// use tweedie_math::Ancestral;
///
/// // A blurred reference: means over 4×4 pixels, enlarged to the original size.
/// let up = Separable::enlarge(Taps::Bilinear, 4, [8, 8], Padding::Circular)?;
/// let low_pass = AveragePool::new(4)?.then(up);
/// let reference = low_pass.apply(Tensor::<4>::ones([1, 1, 8, 8], &Device::flex()));
/// let measured = Measurement::new(low_pass, GaussianNoise::new(0.01)?, reference);
/// let step = Ilvr::new(Ancestral::default(), &measured);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ilvr<S, P> {
    step: S,
    problem: P,
}

impl<S, P> Ilvr<S, P> {
    /// Corrects the moves of `step`. The operator of `problem` is a low-pass filter whose output
    /// has the shape of the signal; its `y` is the filtered reference.
    pub fn new(step: S, problem: P) -> Self {
        Self { step, problem }
    }
}

impl<const D: usize, S: Step<D>, P: LinearMeasured<D>> Step<D> for Ilvr<S, P> {
    type Memory = S::Memory;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut S::Memory,
    ) -> Result<State<D>, StepError> {
        let state = self.step.step(x, mv, context, memory)?;
        let low_pass = self.problem.linear();
        let mut change = low_pass.apply(state.x.clone()).neg();
        if mv.to.sigma() > 0.0 {
            let z = context.noise.normal_like(&state.x);
            change = change + low_pass.apply(z) * mv.to.sigma();
        }
        DenoiseError::unless_shape("the filtered state", &change.dims(), &state.x.dims())?;
        Ok(State {
            x: state.x + change + self.problem.y() * mv.to.alpha(),
            ..state
        })
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.step.check(mv)
    }

    fn check_forward(&self, mv: Move) -> Result<(), StepError> {
        self.step.check_forward(mv)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)?;
        let filtered = self.problem.operator().output_shape(shape)?;
        if filtered != shape {
            return Err(InputError::Shape {
                name: "the output of the low-pass filter",
                found: filtered.to_vec(),
                expected: format!("{shape:?}, that of the signals"),
            });
        }
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
