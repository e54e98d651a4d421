//! ReSample: at some moves, the estimate is fitted to the measurement and noised again.
//!
//! Every few moves of a kernel,
//!
//! 1. `x̂₀(y) = argmin ½ ‖y − A x‖²` by gradient descent from `x̂₀`, until the root mean square of
//!    the residual is below a tolerance (hard data consistency);
//! 2. `x_s ~ N((σ_r² α_s x̂₀(y) + σ_s² x_s′)/(σ_r² + σ_s²), σ_r² σ_s²/(σ_r² + σ_s²) I)` (stochastic
//!    resampling), where `x_s′` is the kernel's own state and
//!    `σ_r² = γ (σ_s²/α_t²) (1 − α_t²/α_s²)` for the variance-preserving process.
//!
//! The last move is always corrected. A path that goes up in between begins to count again. Copies
//! of the authors' code divide by `1 − α_t²` where this `σ_r²` divides by `α_t²`.
//!
//! It is made for latents: put [`Decode`](crate::posterior::Decode) before the operator.
//!
//! # Reference
//! Song, Kwon, Zhang, Hu, Qu & Shen 2024, "Solving Inverse Problems with Latent Diffusion Models
//! via Hard Data Consistency", algorithm 1, arXiv:2307.08123.

use crate::measurement::Measured;
use crate::posterior::misfit;
use burn::tensor::Tensor;
use tweedie_core::{Advance, DenoiseError, InputError, column, try_vjp};
use tweedie_math::{Kernel, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// ReSample around any kernel, for any differentiable operator. The network is not differentiated.
#[derive(Clone, Debug)]
pub struct Resample<K, P> {
    kernel: K,
    problem: P,
    every: usize,
    size: f64,
    steps: usize,
    tolerance: f64,
    gamma: f64,
}

impl<K, P> Resample<K, P> {
    /// Corrects every tenth move of `kernel`, as in the paper, by at most 100 steps of size 1, with
    /// γ = 40 and without a tolerance. A step of size 1 is for operators of norm 1: with a decoder
    /// before the operator it may have to be shorter.
    pub fn new(kernel: K, problem: P) -> Self {
        Self {
            kernel,
            problem,
            every: 10,
            size: 1.0,
            steps: 100,
            tolerance: 0.0,
            gamma: 40.0,
        }
    }

    /// Sets how many moves lie between corrections.
    ///
    /// # Errors
    /// [`ParameterError`] if `every` is 0.
    pub fn with_every(self, every: usize) -> Result<Self, ParameterError> {
        let every =
            ParameterError::require_count("the number of moves between corrections", every)?;
        Ok(Self { every, ..self })
    }

    /// Sets the step size of the descent, in `(0, 2/‖A‖²)`, and its largest number of steps.
    ///
    /// # Errors
    /// [`ParameterError`] unless `size` is finite and above 0 and `steps` is above 0.
    pub fn with_descent(self, size: f64, steps: usize) -> Result<Self, ParameterError> {
        let size = ParameterError::require_positive("the step size", size)?;
        let steps = ParameterError::require_count("the number of steps", steps)?;
        Ok(Self {
            size,
            steps,
            ..self
        })
    }

    /// Sets the root mean square residual below which a descent stops: the noise of the
    /// measurement.
    ///
    /// # Errors
    /// [`ParameterError`] unless `tolerance` is finite and at least 0.
    pub fn with_tolerance(self, tolerance: f64) -> Result<Self, ParameterError> {
        let tolerance = ParameterError::require_non_negative("the tolerance", tolerance)?;
        Ok(Self { tolerance, ..self })
    }

    /// Sets γ, the variance of the resampling. Larger values follow the kernel's state less.
    ///
    /// # Errors
    /// [`ParameterError`] unless γ is finite and above 0.
    pub fn with_gamma(self, gamma: f64) -> Result<Self, ParameterError> {
        let gamma = ParameterError::require_positive("γ", gamma)?;
        Ok(Self { gamma, ..self })
    }

    /// `argmin ½ ‖y − A x‖²` by gradient descent from `x`. A sample rests when it fits.
    fn fit<const D: usize>(&self, mut x: Tensor<D>) -> Result<Tensor<D>, DenoiseError>
    where
        P: Measured<D>,
    {
        for _ in 0..self.steps {
            let mut moving = Vec::new();
            let (squares, pullback) = try_vjp(x.clone(), |x| {
                let (squares, above) = misfit(&self.problem, x, self.tolerance)?;
                moving = above;
                Ok::<_, DenoiseError>(squares)
            })?;
            let gradient = pullback.apply(squares.ones_like()) * 0.5;
            if !moving.contains(&1.0) {
                break;
            }
            x = x.clone() - gradient * column(&moving, &x) * self.size;
        }
        Ok(x)
    }
}

impl<const D: usize, K: Kernel, P: Measured<D>> Step<D> for Resample<K, P> {
    /// The number of moves.
    type Memory = usize;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        moves: &mut usize,
    ) -> Result<State<D>, StepError> {
        *moves += 1;
        let clean = context.denoise(x.clone(), mv.from)?;
        let transition = self.kernel.transition(mv.from, mv.to)?;
        let last = mv.to.sigma() == 0.0;
        if !last && !moves.is_multiple_of(self.every) {
            let next = transition.advance(mv, x, clean.clone(), context.noise);
            return Ok(State::new(mv.to, next, Some(clean)));
        }
        let near = self.fit(clean.clone())?;
        if last {
            return Ok(State::new(mv.to, near.clone() * mv.to.alpha(), Some(near)));
        }
        let moved = transition.advance(mv, x, clean, &mut *context.noise);
        // Of the levels scaled to unit variance.
        let [from, to] = [mv.from, mv.to].map(|it| (it.alpha() / it.rms()).powi(2));
        let scale = mv.to.rms().powi(2);
        let sigma2 = mv.to.sigma().powi(2);
        let spread = self.gamma * (1.0 - to) / from * (1.0 - from / to) * scale;
        let total = spread + sigma2;
        let mean = near.clone() * (mv.to.alpha() * spread / total) + moved * (sigma2 / total);
        let z = context.noise.normal_like(&mean);
        let next = mean + z * (spread * sigma2 / total).sqrt();
        Ok(State::new(mv.to, next, Some(near)))
    }

    /// Accepts moves that do not add noise, from levels with some signal.
    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.kernel.transition(mv.from, mv.to)?;
        mv.from.require_signal()?;
        Ok(mv.require_down()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.problem.accepts(shape)
    }
}
