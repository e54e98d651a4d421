//! A step and the path it walks.

use crate::{State, Step, StepContext, StepError};
use burn::tensor::{Device, Tensor};
use tweedie_core::{Counting, DenoiseError, Denoiser, InputError, Noise, Replay};
use tweedie_math::{Level, LevelPath, Move, ParameterError, forward};

/// A step and the path it walks.
///
/// A move of the path that goes up in noise is a forward one: fresh noise is added, exactly, and
/// the step forgets what it remembered. That is RePaint's time travel, for any step. Walking the
/// path from its end to its start by the step itself is [`encode`](Self::encode).
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_core::{HostNoise, oracle::Gaussian};
/// use tweedie_math::{Ddim, LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::Sampler;
///
/// let prior = Gaussian::isotropic(&[1.0, 2.0], 0.3)?;
/// let path = LevelPath::log_snr(VariancePreserving::default(), Span::default(), 200)?;
/// let sampler = Sampler::new(Ddim::deterministic(), path);
/// let mut noise = HostNoise::seeded(7);
/// let z = sampler.start([1, 2], &Device::flex(), &mut noise)?;
/// let mut x = z.clone();
/// for state in sampler.trajectory(&prior, z.clone(), &mut noise)? {
///     // state.level, state.clean, state.evaluations: show it, keep it, or stop here.
///     x = state?.x;
/// }
/// let again = sampler.encode(&prior, x)?;
/// assert!((again - z).abs().max().into_scalar::<f32>() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler<S> {
    step: S,
    path: LevelPath,
    checks_each: bool,
}

/// Why a run cannot begin, or had to end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The state has not the shape, or a parameter not the value, that the denoiser or the step
    /// takes.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The denoiser has no estimate at a level on the path.
    #[error(
        "the denoiser gives no clean estimate at α = {}, σ = {}: choose a path that starts later, \
         or a prediction that exists there (velocity, clean)",
        level.alpha(), level.sigma()
    )]
    Denoiser {
        /// The level.
        level: Level,
    },
    /// The step cannot make a move of the path.
    #[error(
        "the step cannot move from (α = {}, σ = {}) to (α = {}, σ = {}): {reason}",
        mv.from.alpha(), mv.from.sigma(), mv.to.alpha(), mv.to.sigma()
    )]
    Step {
        /// The move.
        mv: Move,
        /// Why not.
        #[source]
        reason: StepError,
    },
    /// The step cannot start at the first level of the path.
    #[error("the run cannot start: {0}")]
    Start(#[source] StepError),
    /// A path that cannot be encoded along.
    #[error(
        "to encode, every move has to go up in noise; from (α = {}, σ = {}) to (α = {}, σ = {}) does not",
        mv.from.alpha(), mv.from.sigma(), mv.to.alpha(), mv.to.sigma()
    )]
    Encode {
        /// The move.
        mv: Move,
    },
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The denoiser failed outside of a move.
    #[error(transparent)]
    Denoise(#[from] DenoiseError),
    /// A value that is not a number, or not finite.
    #[error(
        "the state is not finite at α = {}, σ = {}, after {evaluations} evaluations of the denoiser",
        level.alpha(), level.sigma()
    )]
    NotFinite {
        /// The level at which it appeared.
        level: Level,
        /// How often the denoiser had been asked.
        evaluations: usize,
    },
}

impl<S> Sampler<S> {
    /// Walks `path` by `step`.
    pub fn new(step: S, path: LevelPath) -> Self {
        Self {
            step,
            path,
            checks_each: false,
        }
    }

    /// Looks at every state on the way, so that [`SampleError::NotFinite`] names the level at which
    /// a value stopped being finite. Each look waits for the device.
    #[must_use]
    pub fn checking_each(self) -> Self {
        Self {
            checks_each: true,
            ..self
        }
    }

    /// The path.
    pub fn path(&self) -> &LevelPath {
        &self.path
    }

    /// The step.
    pub fn step(&self) -> &S {
        &self.step
    }

    /// The state at which the step begins at the path's first level: a draw from `N(0, σ² I)`, or
    /// where the method starts instead ([`Step::start`]).
    ///
    /// # Errors
    /// [`SampleError::Start`] if the step has no start of that shape.
    pub fn start<const D: usize>(
        &self,
        shape: [usize; D],
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, SampleError>
    where
        S: Step<D>,
    {
        let level = self.path.start();
        let start = self.step.start(shape, level, device, noise);
        start.map_err(SampleError::Start)
    }

    /// Walks the whole path from `x`, the state at its first level, and gives the last state.
    ///
    /// # Errors
    /// [`SampleError`] if the denoiser or the step does not support the path or the shape of `x`;
    /// nothing has been evaluated then. [`SampleError::Step`] if a move fails, and
    /// [`SampleError::NotFinite`] if the last state is not finite;
    /// [`checking_each`](Self::checking_each) says where that began.
    pub fn sample<const D: usize>(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, SampleError>
    where
        S: Step<D>,
    {
        self.trajectory(denoiser, x, noise)?.end()
    }

    /// The same walk as an iterator over its states, which knows its length: stop early, keep some,
    /// show progress, all with the adaptors of iterators. Every state says how many evaluations of
    /// the denoiser it took to get there. A move that fails ends it.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn trajectory<'a, const D: usize>(
        &'a self,
        denoiser: &'a dyn Denoiser<D>,
        x: Tensor<D>,
        noise: &'a mut dyn Noise<D>,
    ) -> Result<Trajectory<'a, D, S>, SampleError>
    where
        S: Step<D>,
    {
        let (forward, reverse): (Vec<_>, Vec<_>) =
            self.path.moves().partition(|mv| mv.is_forward());
        self.check(denoiser, x.dims(), reverse.into_iter())?;
        for mv in forward {
            let refused = |reason| SampleError::Step { mv, reason };
            self.step.check_forward(mv).map_err(refused)?;
        }
        Ok(Trajectory {
            level: self.path.start(),
            step: &self.step,
            moves: self.path.moves().collect::<Vec<_>>().into_iter(),
            denoiser: Counting::new(denoiser),
            x: Some(x),
            noise: Box::new(noise),
            memory: S::Memory::default(),
            renoises: true,
            checks_each: self.checks_each,
        })
    }

    /// Walks the path from its end to its start: from data `x`, at the path's last level, to the
    /// latent from which the same sampler makes them again, up to its discretisation error.
    ///
    /// The step has to be deterministic, the path to end at some noise and to fall all the way.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn encode<const D: usize>(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
    ) -> Result<Tensor<D>, SampleError>
    where
        S: Step<D>,
    {
        self.encoding(denoiser, x)?.end()
    }

    /// [`encode`](Self::encode) as an iterator over its states.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn encoding<'a, const D: usize>(
        &'a self,
        denoiser: &'a dyn Denoiser<D>,
        x: Tensor<D>,
    ) -> Result<Trajectory<'a, D, S>, SampleError>
    where
        S: Step<D>,
    {
        let path = self.path.clone().reversed();
        // Steps that draw noise refuse to go up; those that look at the end of a move ask about it.
        if let Some(mv) = path.moves().find(|mv| !mv.is_forward()) {
            return Err(SampleError::Encode { mv });
        }
        self.check(denoiser, x.dims(), path.moves())?;
        if !denoiser.supports(path.end()) {
            return Err(SampleError::Denoiser { level: path.end() });
        }
        Ok(Trajectory {
            level: path.start(),
            step: &self.step,
            moves: path.moves().collect::<Vec<_>>().into_iter(),
            denoiser: Counting::new(denoiser),
            x: Some(x),
            noise: Box::new(Replay::new(Vec::new())),
            memory: S::Memory::default(),
            renoises: false,
            checks_each: self.checks_each,
        })
    }

    fn check<const D: usize>(
        &self,
        denoiser: &dyn Denoiser<D>,
        shape: [usize; D],
        moves: impl Iterator<Item = Move>,
    ) -> Result<(), SampleError>
    where
        S: Step<D>,
    {
        not_empty(&shape)?;
        denoiser.accepts(shape)?;
        self.step.accepts(shape)?;
        for mv in moves {
            if !denoiser.supports(mv.from) {
                return Err(SampleError::Denoiser { level: mv.from });
            }
            let refused = |reason| SampleError::Step { mv, reason };
            self.step.check(mv).map_err(refused)?;
        }
        Ok(())
    }
}

/// The states of a run, in order; see [`Sampler::trajectory`].
pub struct Trajectory<'a, const D: usize, S: Step<D>> {
    step: &'a S,
    /// The level reached.
    level: Level,
    moves: std::vec::IntoIter<Move>,
    denoiser: Counting<&'a dyn Denoiser<D>>,
    /// Taken while a step works on it, so that the step may reuse its memory.
    x: Option<Tensor<D>>,
    noise: Box<dyn Noise<D> + 'a>,
    memory: S::Memory,
    renoises: bool,
    checks_each: bool,
}

impl<const D: usize, S: Step<D>> Trajectory<'_, D, S> {
    /// What the step remembers of the moves so far.
    pub fn memory(&self) -> &S::Memory {
        &self.memory
    }

    /// Walks to the end; no state is kept on the way, so that each step may reuse the last one's
    /// memory.
    fn end(mut self) -> Result<Tensor<D>, SampleError> {
        for state in self.by_ref() {
            state?;
        }
        let not_finite = self.not_finite();
        self.x.filter(is_finite).ok_or(not_finite)
    }

    fn not_finite(&self) -> SampleError {
        SampleError::NotFinite {
            level: self.level,
            evaluations: self.denoiser.evaluations(),
        }
    }

    /// The state after a move from `here`.
    fn walk(&mut self, here: Tensor<D>, mv: Move) -> Result<State<D>, SampleError> {
        let mut state = if self.renoises && mv.is_forward() {
            self.memory = S::Memory::default();
            let up = forward::conditional(mv.from, mv.to);
            let fresh = self.noise.normal_like(&here);
            State::new(mv.to, here * up.state + fresh * up.noise, None)
        } else {
            let mut context = StepContext::new(&self.denoiser, &mut *self.noise);
            let moved = self.step.step(here, mv, &mut context, &mut self.memory);
            moved.map_err(|reason| SampleError::Step { mv, reason })?
        };
        state.evaluations = self.denoiser.evaluations();
        self.level = mv.to;
        match self.checks_each && !is_finite(&state.x) {
            true => Err(self.not_finite()),
            false => Ok(state),
        }
    }
}

/// Whether every value is a finite number: then the sum of their multiples by 0 is 0.
fn is_finite<const D: usize>(x: &Tensor<D>) -> bool {
    let zero = (x.clone() * 0.0).sum().into_scalar::<f64>();
    zero == 0.0
}

/// `Ok` for a batch that holds at least one value.
pub(crate) fn not_empty(shape: &[usize]) -> Result<(), ParameterError> {
    let values: usize = shape.iter().product();
    let expected = "of at least one value";
    ParameterError::require(values > 0, "the batch", expected, values as f64)?;
    Ok(())
}

impl<const D: usize, S: Step<D>> Iterator for Trajectory<'_, D, S> {
    type Item = Result<State<D>, SampleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mv = self.moves.next()?;
        let here = self.x.take()?;
        let state = self.walk(here, mv);
        match &state {
            Ok(state) => self.x = Some(state.x.clone()),
            Err(_) => self.moves = Vec::new().into_iter(),
        }
        Some(state)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.moves.size_hint()
    }
}

impl<const D: usize, S: Step<D>> ExactSizeIterator for Trajectory<'_, D, S> {}

impl<const D: usize, S: Step<D>> std::fmt::Debug for Trajectory<'_, D, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trajectory")
            .field("moves", &self.moves)
            .finish_non_exhaustive()
    }
}
