//! SITCOM: at each level, the state is moved until its estimate reproduces the measurement.
//!
//! 1. `v ← argmin ‖y − A x̂₀(v)‖² + λ ‖x_t − v‖²` by Adam, from `v = x_t`, so that the estimate
//!    stays an output of the network (backward consistency) near the state (λ);
//! 2. `x_s = α_s x̂₀(v) + σ_s z` (forward consistency).
//!
//! A sample stops as soon as the root mean square of `y − A x̂₀(v)` is below the tolerance, for
//! which the paper takes the noise of the measurement.
//!
//! # Reference
//! Alkhouri et al. 2024, "SITCOM: Step-wise Triple-Consistent Diffusion Sampling for Inverse
//! Problems", algorithm 1, arXiv:2410.04479.

use super::Averages;
use crate::measurement::Measured;
use crate::posterior::misfit;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, InputError, column, tracked, try_vjp};
use tweedie_math::{Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// SITCOM for any differentiable operator.
///
/// The prior has to be differentiable in its input. Otherwise a move fails with
/// [`DenoiseError::Untracked`].
#[derive(Clone, Debug)]
pub struct Sitcom<P> {
    problem: P,
    steps: usize,
    rate: f64,
    lambda: f64,
    tolerance: f64,
}

impl<P> Sitcom<P> {
    /// Creates the method with 20 steps of Adam at each level, of rate 0.01, λ = 0, and without a
    /// tolerance. The authors' code takes 30 steps of rate 0.02 at 20 levels.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            steps: 20,
            rate: 0.01,
            lambda: 0.0,
            tolerance: 0.0,
        }
    }

    /// Sets the number of steps at each level; each is one evaluation and its gradient.
    ///
    /// # Errors
    /// [`ParameterError`] if `steps` is 0.
    pub fn with_steps(self, steps: usize) -> Result<Self, ParameterError> {
        let steps = ParameterError::require_count("the number of steps", steps)?;
        Ok(Self { steps, ..self })
    }

    /// Sets Adam's rate, in units of the state per step.
    ///
    /// # Errors
    /// [`ParameterError`] unless `rate` is finite and above 0.
    pub fn with_rate(self, rate: f64) -> Result<Self, ParameterError> {
        let rate = ParameterError::require_positive("Adam's rate", rate)?;
        Ok(Self { rate, ..self })
    }

    /// Sets the weight λ of the distance to the state.
    ///
    /// # Errors
    /// [`ParameterError`] unless λ is finite and at least 0.
    pub fn with_lambda(self, lambda: f64) -> Result<Self, ParameterError> {
        let lambda = ParameterError::require_non_negative("λ", lambda)?;
        Ok(Self { lambda, ..self })
    }

    /// Sets the root mean square residual below which a sample stops: the noise of the measurement.
    ///
    /// # Errors
    /// [`ParameterError`] unless `tolerance` is finite and at least 0.
    pub fn with_tolerance(self, tolerance: f64) -> Result<Self, ParameterError> {
        let tolerance = ParameterError::require_non_negative("the tolerance", tolerance)?;
        Ok(Self { tolerance, ..self })
    }
}

impl<const D: usize, P: Measured<D>> Step<D> for Sitcom<P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let mut v = x.clone();
        let mut adam = Averages::default();
        for _ in 0..self.steps {
            let mut moving = Vec::new();
            let (squares, pullback) = try_vjp(v.clone(), |v| {
                let estimate = tracked(context.denoiser, v, mv.from)?;
                let (squares, above) = misfit(&self.problem, estimate, self.tolerance)?;
                moving = above;
                Ok::<_, DenoiseError>(squares)
            })?;
            let fit = pullback.apply(squares.ones_like());
            let gradient = fit + (v.clone() - x.clone()) * (2.0 * self.lambda);
            if !moving.contains(&1.0) {
                break;
            }
            v = v.clone() - adam.direction(gradient) * column(&moving, &v) * self.rate;
        }
        let clean = context.denoise(v, mv.from)?;
        let mut next = clean.clone() * mv.to.alpha();
        if mv.to.sigma() > 0.0 {
            next = next + context.noise.normal_like(&clean) * mv.to.sigma();
        }
        Ok(State::new(mv.to, next, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        Ok(mv.require_down()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.problem.accepts(shape)
    }
}
