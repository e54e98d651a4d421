//! ILVR: `x_s ← x_s + φ(α_s y + σ_s z) − φ(x_s)` with a low-pass filter `φ`.
//!
//! The low frequencies of the state become those of a noisy reference; the rest is the prior's.
//!
//! # Reference
//! Choi et al. 2021, "ILVR: Conditioning Method for Denoising Diffusion Probabilistic Models",
//! algorithm 1, arXiv:2108.02938.

use crate::Linear;
use crate::measurement::finite_values;
use crate::noise::assert_measured;
use crate::operator::error::fits;
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError, Noise};
use tweedie_math::Move;
use tweedie_samplers::{State, Step};

/// Iterative latent variable refinement around any step.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::{AveragePool, Ilvr, Operator, Padding, Separable, Taps};
/// use tweedie_math::Ancestral;
///
/// // A blurred reference: what is left after averaging over 4×4 pixels.
/// let up = Separable::enlarge(Taps::Bilinear, 4, [8, 8], Padding::Circular)?;
/// let reference = Tensor::<4>::ones([1, 1, 8, 8], &Device::flex());
/// let step = Ilvr::new(Ancestral::default(), AveragePool::new(4)?.then(up), reference);
/// # Ok::<(), tweedie_inverse::OperatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ilvr<const D: usize, S, F> {
    step: S,
    low_pass: F,
    reference: Tensor<D>,
}

impl<const D: usize, S, F: Linear<D>> Ilvr<D, S, F> {
    /// Takes the part that `low_pass` (signals to signals) lets through from `reference`, one for each
    /// sample or one for all.
    pub fn new(step: S, low_pass: F, reference: Tensor<D>) -> Self {
        Self {
            step,
            low_pass,
            reference,
        }
    }
}

impl<const D: usize, S: Step<D>, F: Linear<D>> Step<D> for Ilvr<D, S, F> {
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
        let mut target = self.reference.clone() * mv.to.alpha();
        if mv.to.sigma() > 0.0 {
            target = target + noise.normal_like(&state.x) * mv.to.sigma();
        }
        assert_measured(&target, &state.x);
        let change = self.low_pass.apply(target - state.x.clone());
        State {
            x: state.x + change,
            ..state
        }
    }

    fn supports(&self, mv: Move) -> bool {
        self.step.supports(mv)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let found = self.reference.dims();
        let shared = found[1..] == shape[1..] && (found[0] == 1 || found[0] == shape[0]);
        fits("reference", &found, shared, || {
            format!("{shape:?}, or one sample of it")
        })?;
        finite_values("a reference", &self.reference)?;
        let filtered = self.low_pass.measured(shape)?;
        fits("low-pass filter", &filtered, filtered == shape, || {
            format!("signals to signals, {shape:?}")
        })?;
        self.step.accepts(shape)
    }
}
