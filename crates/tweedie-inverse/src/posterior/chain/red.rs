//! Regularisation by denoising (RED), by fixed-point iteration:
//! `x ← argmin ‖y − A x‖²/σ_y² + λ ‖x − D(x)‖²`, with `D(x)` of the previous state.
//!
//! At a fixed point, `Aᵀ (A x − y)/σ_y² + λ (x − D(x)) = 0`. The state is the image itself and
//! starts at `(AᵀA + σ_y²)⁻¹ Aᵀ y`. Use a path that stays at the level of the denoiser
//! ([`LevelPath::staying`](tweedie_math::LevelPath::staying)).
//!
//! # Reference
//! Romano, Elad & Milanfar 2017, "The Little Engine that Could: Regularization by Denoising",
//! arXiv:1611.02862.

use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::{proximal_step, start_at_least_squares};
use burn::tensor::{Device, Tensor};
use tweedie_core::{InputError, Noise};
use tweedie_math::{Level, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// RED: one fixed-point iteration per move.
///
/// It gives a point estimate for linear operators and Gaussian noise, with any denoiser.
#[derive(Clone, Debug)]
pub struct Red<P> {
    problem: P,
    lambda: Option<f64>,
}

impl<P> Red<P> {
    /// Creates RED with Tweedie's weight of the prior, `λ = (α/σ)²` of the denoiser's level.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            lambda: None,
        }
    }

    /// Sets the weight λ of the prior, an inverse variance.
    ///
    /// # Errors
    /// [`ParameterError`] unless λ is finite and above 0.
    pub fn with_lambda(self, lambda: f64) -> Result<Self, ParameterError> {
        let lambda = ParameterError::require_positive("λ", lambda)?;
        Ok(Self {
            lambda: Some(lambda),
            ..self
        })
    }
}

impl<const D: usize, P: LinearGaussian<D>> Step<D> for Red<P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let clean = context.denoise(x * mv.from.alpha(), mv.from)?;
        let lambda = self.lambda.unwrap_or_else(|| mv.from.snr());
        let shift = lambda * self.problem.sigma().powi(2);
        let x = proximal_step(&self.problem, clean.clone(), shift)?;
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_signal()?;
        Ok(mv.from.require_noise()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)
    }

    fn start(
        &self,
        shape: [usize; D],
        _: Level,
        device: &Device,
        _: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError> {
        start_at_least_squares(&self.problem, shape, device)
    }
}
