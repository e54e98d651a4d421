//! One way to move a chain.

use crate::integrator::Stuck;
use burn::tensor::{Device, Tensor};
use tweedie_core::{DenoiseError, Denoiser, InputError, Noise};
use tweedie_math::{Level, Move, MoveError, ParameterError, gaussian};

/// Where a chain stands after a move.
#[derive(Clone, Debug)]
pub struct State<const D: usize> {
    /// The level reached.
    pub level: Level,
    /// The state at that level.
    pub x: Tensor<D>,
    /// The clean estimate that the move was based on; `None` after a move that only added noise.
    pub clean: Option<Tensor<D>>,
    /// How often the denoiser has been asked since the run began; 0 from a bare step.
    pub evaluations: usize,
}

impl<const D: usize> State<D> {
    /// The state `x` at `level`, which followed from the estimate `clean`.
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

/// What a move needs besides the state.
pub struct StepContext<'a, const D: usize> {
    /// Estimates the clean signal.
    pub denoiser: &'a dyn Denoiser<D>,
    /// Draws fresh noise.
    pub noise: &'a mut dyn Noise<D>,
}

impl<'a, const D: usize> StepContext<'a, D> {
    /// A denoiser and a source of noise.
    pub fn new(denoiser: &'a dyn Denoiser<D>, noise: &'a mut dyn Noise<D>) -> Self {
        Self { denoiser, noise }
    }

    /// The denoiser's estimate of the clean signal.
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

/// One way to move a chain between two levels of noise.
///
/// A step is a value and is shared between runs; what a method remembers between moves is its
/// `Memory`, which a run owns.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, oracle::Gaussian};
/// use tweedie_math::{Move, LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{StepContext, Sampler, State, Step, StepError};
///
/// /// Takes the estimate and adds all noise of the next level anew, as consistency models do.
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
    /// What the method remembers between moves: `()` for one-step methods.
    type Memory: Default;

    /// The state after `mv`, from the state `x` at `mv.from`.
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

    /// Checks that the move can be made. A sampler asks this of its whole path before the first
    /// evaluation.
    ///
    /// # Errors
    /// [`StepError`] says why it cannot.
    fn check(&self, mv: Move) -> Result<(), StepError> {
        let _ = mv;
        Ok(())
    }

    /// Checks that a run may add noise between two moves, as time travel does.
    ///
    /// # Errors
    /// [`StepError`] if what the method remembers would be wrong afterwards.
    fn check_forward(&self, mv: Move) -> Result<(), StepError> {
        let _ = mv;
        Ok(())
    }

    /// Checks that it moves states of a shape. A sampler asks this before the first evaluation.
    ///
    /// # Errors
    /// [`InputError`] says what does not fit.
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let _ = shape;
        Ok(())
    }

    /// The state at which a chain begins: a draw from `N(0, σ² I)`, unless the method starts
    /// elsewhere.
    ///
    /// # Errors
    /// [`StepError`] if the method has no start of that shape.
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

/// How fast a method's error falls.
pub trait Convergence {
    /// The power of the step length with which the error falls: of the state for a deterministic
    /// step, of mean and covariance (the weak order) for one that adds noise.
    fn order(&self) -> usize;
}

/// Why a step cannot make a move.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A shape that the step does not take.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The method has no move between these levels.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The denoiser has no estimate, or an equation within the move was not solved.
    #[error(transparent)]
    Denoise(#[from] DenoiseError),
    /// An adaptive step did not reach its tolerance.
    #[error(
        "stuck at α = {}, σ = {} after {steps} steps, with an error of {error:.1e} tolerances",
        level.alpha(), level.sigma()
    )]
    Stuck {
        /// How far it came, as the level of unit variance with that signal-to-noise ratio.
        level: Level,
        /// The number of steps, accepted and rejected.
        steps: usize,
        /// The error of the last one, in units of the tolerance.
        error: f64,
    },
    /// No particle of a measurement has a weight that is a number above 0.
    #[error("no particle of measurement {measurement} has a weight that is a number above 0")]
    Weights {
        /// The measurement's place in the batch.
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
