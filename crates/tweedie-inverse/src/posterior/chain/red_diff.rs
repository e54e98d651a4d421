//! RED-diff: a point estimate `μ` by stochastic gradient descent, with the denoiser's error as the
//! gradient of the prior.
//!
//! At each level, let `x_t = α μ + σ ε`, and let `ε̂` be the denoiser's estimate of `ε`. Adam
//! follows the gradient of `½ ‖y − A μ‖² + λ (σ/α) ⟨ε̂ − ε, μ⟩`, in which `ε̂ − ε` is held fixed.
//! The state is `μ` itself and starts at `A⁺ y`.
//!
//! # Reference
//! Mardani, Song, Kautz & Vahdat 2023, "A Variational Perspective on Solving Inverse Problems with
//! Diffusion Models", algorithm 1, arXiv:2305.04391.

use super::Averages;
use crate::measurement::{LinearMeasured, Measured, accepts_linear};
use crate::posterior::{residual, start_at_pseudo_inverse};
use burn::tensor::{Device, Tensor};
use tweedie_core::{DenoiseError, InputError, Noise, per_sample_sum, try_vjp};
use tweedie_math::{Level, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// RED-diff for any differentiable operator: one Adam step per move.
#[derive(Clone, Debug)]
pub struct RedDiff<const D: usize, P> {
    problem: P,
    initial: Initial<D, P>,
    lambda: f64,
    rate: f64,
}

/// The start of the descent.
#[derive(Clone, Debug)]
enum Initial<const D: usize, P> {
    /// `A⁺ y`, for a batch of the given shape, if the adjoint of `A` is one.
    PseudoInverse {
        start: fn(&P, [usize; D], &Device) -> Result<Tensor<D>, StepError>,
        accepts: fn(&P, [usize; D]) -> Result<(), InputError>,
    },
    /// This image, one for each sample or one for all.
    Image(Box<Tensor<D>>),
}

impl<const D: usize, P: LinearMeasured<D>> RedDiff<D, P> {
    /// Starts at `A⁺ y`, with the paper's prior weight λ = 0.25 and Adam learning rate 0.1 (β = 0.9
    /// and 0.99).
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            initial: Initial::PseudoInverse {
                start: start_at_pseudo_inverse,
                accepts: accepts_linear,
            },
            lambda: 0.25,
            rate: 0.1,
        }
    }
}

impl<const D: usize, P: Measured<D>> RedDiff<D, P> {
    /// Starts at an image, one for each sample or one for all. Use this for nonlinear operators,
    /// which have no pseudo-inverse.
    pub fn starting_at(problem: P, initial: Tensor<D>) -> Self {
        Self {
            problem,
            initial: Initial::Image(Box::new(initial)),
            lambda: 0.25,
            rate: 0.1,
        }
    }

    /// Sets the weight λ of the prior.
    ///
    /// # Errors
    /// [`ParameterError`] unless λ is finite and at least 0.
    pub fn with_lambda(self, lambda: f64) -> Result<Self, ParameterError> {
        let lambda = ParameterError::require_non_negative("λ", lambda)?;
        Ok(Self { lambda, ..self })
    }

    /// Sets Adam's learning rate, in units of the image per move.
    ///
    /// # Errors
    /// [`ParameterError`] unless `rate` is finite and above 0.
    pub fn with_rate(self, rate: f64) -> Result<Self, ParameterError> {
        let rate = ParameterError::require_positive("Adam's rate", rate)?;
        Ok(Self { rate, ..self })
    }
}

impl<const D: usize, P: Measured<D>> Step<D> for RedDiff<D, P> {
    type Memory = Averages<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut Averages<D>,
    ) -> Result<State<D>, StepError> {
        let level = mv.from;
        let z = context.noise.normal_like(&x);
        let noisy = x.clone() * level.alpha() + z.clone() * level.sigma();
        let clean = context.denoise(noisy.clone(), level)?;
        // ε̂ − ε
        let found = (noisy - clean.clone() * level.alpha()) * (1.0 / level.sigma());
        let prior = (found - z) * (self.lambda * level.noise_to_signal());
        let (value, pullback) = try_vjp(x.clone(), |x| {
            let residual = residual(&self.problem, x)?;
            Ok::<_, DenoiseError>(per_sample_sum(residual.square()) * 0.5)
        })?;
        let gradient = pullback.apply(value.ones_like()) + prior;
        let x = x - memory.direction(gradient) * self.rate;
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_signal()?;
        Ok(mv.from.require_noise()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        match &self.initial {
            Initial::PseudoInverse { accepts, .. } => accepts(&self.problem, shape),
            Initial::Image(_) => self.problem.accepts(shape),
        }
    }

    fn start(
        &self,
        shape: [usize; D],
        _: Level,
        device: &Device,
        _: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError> {
        match &self.initial {
            Initial::PseudoInverse { start, .. } => start(&self.problem, shape, device),
            Initial::Image(image) => {
                let mut expected = shape;
                if image.dims()[0] == 1 {
                    expected[0] = 1;
                }
                DenoiseError::unless_shape("the initial image", &image.dims(), &expected)?;
                let image = image.as_ref().clone();
                Ok(image.to_device(device).expand(shape))
            }
        }
    }
}
