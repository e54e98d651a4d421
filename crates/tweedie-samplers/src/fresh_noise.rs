//! The ancestral form of a deterministic method: move further down, then add fresh noise.
//!
//! With DDIM's fresh noise `σ̃ = η (σ_s/σ_t) √(σ_t² − (α_t/α_s)² σ_s²)`, the method moves to the
//! level `(α_s, √(σ_s² − σ̃²))`, and `σ̃ z` then raises the state to `(α_s, σ_s)`. With DDIM as the
//! method this is "Euler ancestral"; with [`DpmSolver::second`](crate::DpmSolver::second) it is
//! "DPM++ 2S ancestral".
//!
//! Both parts are exact in distribution except for the method's own error, so the weak order is the
//! method's. Fresh noise invalidates what a multistep method remembers. Such a method therefore
//! makes every move as if it were its first.
//!
//! # Reference
//! Song, Meng & Ermon 2021, eq. 16, arXiv:2010.02502; Crowson 2022, k-diffusion,
//! `sample_dpmpp_2s_ancestral`.

use crate::history::add_noise;
use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::{Device, Tensor};
use tweedie_core::{InputError, Noise};
use tweedie_math::{Ddim, Kernel, Level, Move, MoveError, ParameterError};

/// Applies `step` to a lower level, then adds fresh noise up to the requested level.
///
/// ```
/// use tweedie_math::multistep::Variable;
/// use tweedie_math::{LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{DpmSolver, FreshNoise, Sampler};
///
/// let path = LevelPath::karras(VariancePreserving::default(), Span::default(), 25, 7.0)?;
/// let step = FreshNoise::new(DpmSolver::second(Variable::Clean));
/// let sampler = Sampler::new(step, path.then_clean());
/// # Ok::<(), tweedie_math::PathError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FreshNoise<S> {
    step: S,
    noise: Ddim,
}

impl<S> FreshNoise<S> {
    /// Uses the noise of DDPM, η = 1.
    pub fn new(step: S) -> Self {
        Self {
            step,
            noise: Ddim::ancestral(),
        }
    }

    /// Scales the standard deviation of the noise by η; 0 gives `step` itself.
    ///
    /// # Errors
    /// [`ParameterError`] unless η is finite and at least 0.
    pub fn with_eta(self, eta: f64) -> Result<Self, ParameterError> {
        let noise = Ddim::new(eta)?;
        Ok(Self { noise, ..self })
    }

    /// The lower level, and the standard deviation of the noise from there up.
    fn split(&self, mv: Move) -> Result<(Level, f64), MoveError> {
        let ddim = self.noise.transition(mv.from, mv.to)?;
        let left = ((mv.to.sigma() - ddim.noise) * (mv.to.sigma() + ddim.noise)).sqrt();
        // `left` is in `[0, σ_s]`, so the level is valid unless both `α` and `left` are 0.
        let down = Level::new(mv.to.alpha(), left);
        let down = down.map_err(|_| MoveError::NoSignal { level: mv.to })?;
        Ok((down, ddim.noise))
    }
}

impl<const D: usize, S: Step<D>> Step<D> for FreshNoise<S> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let (down, fresh) = self.split(mv)?;
        let lower = Move {
            from: mv.from,
            to: down,
        };
        let mut memory = S::Memory::default();
        let moved = self.step.step(x, lower, context, &mut memory)?;
        Ok(State {
            level: mv.to,
            x: add_noise(moved.x, fresh, mv, context.noise),
            ..moved
        })
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        let (to, _) = self.split(mv)?;
        self.step.check(Move { from: mv.from, to })
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

impl<S: Convergence> Convergence for FreshNoise<S> {
    /// The order of `step` as a one-step method.
    fn order(&self) -> usize {
        self.step.order()
    }
}
