//! The interface of a sampling method: one move between two noise levels.

use crate::integrator::Stuck;
use burn::tensor::{Device, Tensor};
use tweedie_core::{DenoiseError, Denoiser, InputError, Noise};
use tweedie_math::{Level, Move, MoveError, ParameterError, gaussian};

/// The state of a chain after a move.
#[derive(Clone, Debug)]
pub struct State<const D: usize> {
    /// The level reached.
    pub level: Level,
    /// The state at that level.
    pub x: Tensor<D>,
    /// The clean estimate that the move used; `None` after a move that only added noise.
    pub clean: Option<Tensor<D>>,
    /// Denoiser evaluations since the run began; 0 when a step is called directly.
    pub evaluations: usize,
}

impl<const D: usize> State<D> {
    /// The state `x` at `level`, computed from the estimate `clean`.
    #[must_use]
    pub fn new(level: Level, x: Tensor<D>, clean: Option<Tensor<D>>) -> Self {
        Self {
            level,
            x,
            clean,
            evaluations: 0,
        }
    }
}

/// The denoiser and the noise source that a step uses.
pub struct StepContext<'a, const D: usize> {
    /// Estimates the clean signal.
    pub denoiser: &'a dyn Denoiser<D>,
    /// Draws fresh noise.
    pub noise: &'a mut dyn Noise<D>,
}

impl<'a, const D: usize> StepContext<'a, D> {
    /// Combines a denoiser and a noise source.
    pub fn new(denoiser: &'a dyn Denoiser<D>, noise: &'a mut dyn Noise<D>) -> Self {
        Self { denoiser, noise }
    }

    /// Returns the denoiser's estimate of the clean signal.
    ///
    /// # Errors
    /// [`StepError::Denoise`].
    pub fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, StepError> {
        Ok(self.denoiser.denoise(x, level)?)
    }
}

impl<const D: usize> std::fmt::Debug for StepContext<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// A sampling method: moves a chain from one noise level to another.
///
/// A step is an immutable value that several runs can share. Whatever a method remembers between
/// moves is its `Memory`, which belongs to the run.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, oracle::Gaussian};
/// use tweedie_math::{Move, LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{StepContext, Sampler, State, Step, StepError};
///
/// /// Takes the estimate and renoises it to the next level, as consistency models do.
/// struct Renoise;
///
/// impl<const D: usize> Step<D> for Renoise {
///     type Memory = ();
///
///     fn step(
///         &self,
///         x: Tensor<D>,
///         mv: Move,
///         context: &mut StepContext<'_, D>,
///         (): &mut (),
///     ) -> Result<State<D>, StepError> {
///         let clean = context.denoise(x, mv.from)?;
///         let fresh = context.noise.normal_like(&clean) * mv.to.sigma();
///         let x = clean.clone() * mv.to.alpha() + fresh;
///         Ok(State::new(mv.to, x, Some(clean)))
///     }
/// }
///
/// let path = LevelPath::uniform(VariancePreserving::default(), Span::FULL, 20)?;
/// let sampler = Sampler::new(Renoise, path);
/// let mut noise = HostNoise::seeded(7);
/// let x = sampler.start([4, 2], &Device::flex(), &mut noise)?;
/// let x = sampler.sample(&Gaussian::isotropic(&[1.0, 2.0], 0.3)?, x, &mut noise)?;
/// assert_eq!(x.dims(), [4, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Step<const D: usize> {
    /// What the method keeps between moves: `()` for one-step methods.
    type Memory: Default;

    /// Returns the state after `mv`, given the state `x` at `mv.from`.
    ///
    /// # Errors
    /// [`StepError`] if the move cannot be made.
    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut Self::Memory,
    ) -> Result<State<D>, StepError>;

    /// Checks that the move can be made. A sampler calls this for its whole path before the first
    /// evaluation.
    ///
    /// # Errors
    /// [`StepError`] if the move cannot be made.
    fn check(&self, mv: Move) -> Result<(), StepError> {
        let _ = mv;
        Ok(())
    }

    /// Checks that a run may add noise by `mv` between two moves, as RePaint's time travel does.
    ///
    /// # Errors
    /// [`StepError`] if the method's memory would be wrong afterwards.
    fn check_forward(&self, mv: Move) -> Result<(), StepError> {
        let _ = mv;
        Ok(())
    }

    /// Checks that the step supports this state shape. A sampler calls this before the first
    /// evaluation.
    ///
    /// # Errors
    /// [`InputError`] if it does not.
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let _ = shape;
        Ok(())
    }

    /// Draws the initial state of a chain: `N(0, σ² I)`, unless the method overrides this.
    ///
    /// # Errors
    /// [`StepError`] if the method cannot start with that shape.
    fn start(
        &self,
        shape: [usize; D],
        level: Level,
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError> {
        Ok(noise.normal(shape, device) * gaussian::prior_std(level))
    }
}

/// The convergence order of a method.
pub trait Convergence {
    /// The power of the step length with which the error falls. For a deterministic step this is
    /// the error of the state; for a stochastic one, that of mean and covariance (the weak order).
    fn order(&self) -> usize;
}

/// Why a step cannot make a move.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A shape that the step does not support.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The method is not defined for a move between these levels.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The denoiser has no estimate, or a linear solve within the move did not converge.
    #[error(transparent)]
    Denoise(#[from] DenoiseError),
    /// An adaptive step did not reach its tolerance.
    #[error(
        "stuck at α = {}, σ = {} after {steps} steps, with an error of {error:.1e} tolerances",
        level.alpha(), level.sigma()
    )]
    Stuck {
        /// The level reached, as the unit-variance level with the same signal-to-noise ratio.
        level: Level,
        /// The number of steps, accepted and rejected.
        steps: usize,
        /// The error of the last step, in units of the tolerance.
        error: f64,
    },
    /// The weights of a measurement's particles are all 0, or one is not finite.
    #[error("no particle of measurement {measurement} has a finite weight above 0")]
    Weights {
        /// The index of the measurement in the batch.
        measurement: usize,
    },
}

impl From<Stuck> for StepError {
    fn from(stuck: Stuck) -> Self {
        Self::Stuck {
            level: Level::at_angle(stuck.time),
            steps: stuck.steps,
            error: stuck.error,
        }
    }
}
