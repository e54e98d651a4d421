//! EDM's stochastic sampler: adds some noise before every move of a deterministic method.
//!
//! Where `σ/α` is within `[S_min, S_max]`, the state is first raised to `σ̂ = (1 + γ) σ` by
//! `√(σ̂² − σ²) S_noise z`, with `γ = min(S_churn/N, √2 − 1)`. The method then moves from `σ̂`. The
//! weak order is the method's. A multistep method makes every move as if it were its first, because
//! the noise invalidates its past estimates.
//!
//! # Reference
//! Karras et al. 2022, algorithm 2, arXiv:2206.00364.

use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::{Device, Tensor};
use std::f64::consts::SQRT_2;
use tweedie_core::{InputError, Noise};
use tweedie_math::{Level, Move, ParameterError};

/// Churn before every move of `step`; EDM uses [`RungeKutta::heun`](crate::RungeKutta::heun).
///
/// ```
/// use tweedie_math::{LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{Churn, RungeKutta, Sampler};
///
/// let path = LevelPath::karras(VariancePreserving::default(), Span::default(), 256, 7.0)?;
/// // EDM's settings for ImageNet-64.
/// let churn = Churn::new(RungeKutta::heun(), 40.0, 256)?
///     .within(0.05, 50.0)?
///     .with_noise_scale(1.003)?;
/// let sampler = Sampler::new(churn, path.then_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Churn<S> {
    step: S,
    gamma: f64,
    min: f64,
    max: f64,
    scale: f64,
}

impl<S> Churn<S> {
    /// `churn` is `S_churn` for a path of `steps` moves: 0 gives `step` itself, 40 is EDM's setting
    /// for ImageNet-64.
    ///
    /// # Errors
    /// [`ParameterError`] if `steps` is 0, or unless `churn` is finite and at least 0.
    pub fn new(step: S, churn: f64, steps: usize) -> Result<Self, ParameterError> {
        let churn = ParameterError::require_non_negative("S_churn", churn)?;
        let steps = ParameterError::require_count("the number of steps", steps)?;
        Ok(Self {
            step,
            gamma: (churn / steps as f64).min(SQRT_2 - 1.0),
            min: 0.0,
            max: f64::INFINITY,
            scale: 1.0,
        })
    }

    /// Churns only where `σ/α` is within `[min, max]`: `S_tmin` and `S_tmax`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `min ≤ max`.
    pub fn within(self, min: f64, max: f64) -> Result<Self, ParameterError> {
        ParameterError::require(min <= max, "S_tmax", "at least S_tmin", max)?;
        Ok(Self { min, max, ..self })
    }

    /// Multiplies the noise by `scale`, `S_noise`. A value slightly above 1 compensates for a
    /// denoiser that removes too much.
    ///
    /// # Errors
    /// [`ParameterError`] unless `scale` is finite and at least 0.
    pub fn with_noise_scale(self, scale: f64) -> Result<Self, ParameterError> {
        let scale = ParameterError::require_non_negative("S_noise", scale)?;
        Ok(Self { scale, ..self })
    }

    /// The level from which `step` moves.
    fn raised(&self, from: Level) -> Level {
        let ratio = from.noise_to_signal();
        if self.gamma > 0.0 && (self.min..=self.max).contains(&ratio) {
            let sigma = from.sigma() * (1.0 + self.gamma);
            return Level::new(from.alpha(), sigma).unwrap_or(from);
        }
        from
    }
}

impl<const D: usize, S: Step<D>> Step<D> for Churn<S> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let from = self.raised(mv.from);
        let fresh = (from.sigma() - mv.from.sigma()) * (from.sigma() + mv.from.sigma());
        let x = if fresh > 0.0 {
            let z = context.noise.normal_like(&x);
            x + z * (fresh.sqrt() * self.scale)
        } else {
            x
        };
        let mv = Move { from, to: mv.to };
        let mut memory = S::Memory::default();
        self.step.step(x, mv, context, &mut memory)
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.require_down()?;
        let from = self.raised(mv.from);
        self.step.check(Move { from, to: mv.to })
    }

    fn check_forward(&self, mv: Move) -> Result<(), StepError> {
        self.step.check_forward(mv)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
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

impl<S: Convergence> Convergence for Churn<S> {
    /// The order of `step` as a one-step method.
    fn order(&self) -> usize {
        self.step.order()
    }
}
