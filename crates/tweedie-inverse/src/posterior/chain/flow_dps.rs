//! FlowDPS: the two ends of a flow, the clean one corrected by the measurement, the noisy one
//! partly drawn again.
//!
//! With the noise's share `r = σ/(α + σ)` before a move and `r_s` after it,
//!
//! 1. `x̂₀` and `ε̂ = (x_t − α x̂₀)/σ` are the ends of the flow through `x_t`;
//! 2. `x̂₀(y)`: some steps `x ← x + γ Aᵀ (y − A x)` from `x̂₀`, without the network;
//! 3. `x_s = α_s ((1 − r) x̂₀ + r x̂₀(y)) + σ_s (√r_s ε̂ + √(1 − r_s) z)`.
//!
//! The operator may be nonlinear: then `Aᵀ` is the transposed Jacobian. With a
//! [`Decode`](crate::posterior::Decode) before it, the flow is one of latents, as in the paper,
//! whose code follows the gradient of the norm instead of its square.
//!
//! # Reference
//! Kim, Kim & Ye 2025, "FlowDPS: Flow-Driven Posterior Sampling for Inverse Problems",
//! algorithm 1, arXiv:2503.08136.

use crate::measurement::Measured;
use crate::posterior::residual;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, InputError, per_sample_sum, try_vjp};
use tweedie_math::{Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// FlowDPS for any differentiable operator, with any denoiser. The network is not differentiated.
#[derive(Clone, Debug)]
pub struct FlowDps<P> {
    problem: P,
    size: f64,
    steps: usize,
}

impl<P> FlowDps<P> {
    /// Creates the method with the paper's 3 steps at each level, of size 1, for operators of
    /// norm 1.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            size: 1.0,
            steps: 3,
        }
    }

    /// Sets the step size γ, in `(0, 2/‖A‖²)`.
    ///
    /// # Errors
    /// [`ParameterError`] unless γ is finite and above 0.
    pub fn with_step_size(self, size: f64) -> Result<Self, ParameterError> {
        let size = ParameterError::require_positive("γ", size)?;
        Ok(Self { size, ..self })
    }

    /// Sets the number of steps at each level.
    ///
    /// # Errors
    /// [`ParameterError`] if `steps` is 0.
    pub fn with_steps(self, steps: usize) -> Result<Self, ParameterError> {
        let steps = ParameterError::require_count("the number of steps", steps)?;
        Ok(Self { steps, ..self })
    }
}

impl<const D: usize, P: Measured<D>> Step<D> for FlowDps<P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let clean = context.denoise(x.clone(), mv.from)?;
        let (alpha, sigma) = (mv.from.alpha(), mv.from.sigma());
        let found = (x - clean.clone() * alpha) * (1.0 / sigma);
        let mut near = clean.clone();
        for _ in 0..self.steps {
            let (half, pullback) = try_vjp(near.clone(), |x| {
                let residual = residual(&self.problem, x)?;
                Ok::<_, DenoiseError>(per_sample_sum(residual.square()) * 0.5)
            })?;
            near = near - pullback.apply(half.ones_like()) * self.size;
        }
        let share = sigma / (alpha + sigma);
        let clean = clean * (1.0 - share) + near * share;
        let mut next = clean.clone() * mv.to.alpha();
        if mv.to.sigma() > 0.0 {
            let share = mv.to.sigma() / (mv.to.alpha() + mv.to.sigma());
            let z = context.noise.normal_like(&clean);
            let end = found * share.sqrt() + z * (1.0 - share).sqrt();
            next = next + end * mv.to.sigma();
        }
        Ok(State::new(mv.to, next, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_noise()?;
        Ok(mv.require_down()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.problem.accepts(shape)
    }
}
