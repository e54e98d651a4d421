//! A step combined with the path that it walks.

use crate::{State, Step, StepContext, StepError};
use burn::tensor::{Device, Tensor};
use tweedie_core::{Counting, DenoiseError, Denoiser, InputError, Noise, Replay};
use tweedie_math::{Level, LevelPath, Move, ParameterError, forward};

/// A step combined with the path that it walks.
///
/// A path may go up in noise, as in RePaint's time travel. The sampler itself makes such a forward
/// move: it adds noise exactly and clears the step's memory. A step may reject forward moves
/// ([`Step::check_forward`]). [`encode`](Self::encode) instead walks the path from its end to its
/// start by the step itself.
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
/// // state.level, state.clean, state.evaluations: show or keep the state, or stop here.
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

/// Why a run cannot begin or did not finish.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The denoiser or the step rejects the shape of the state or a parameter.
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
    /// The step cannot make one of the path's moves.
    #[error(
        "the step cannot move from (α = {}, σ = {}) to (α = {}, σ = {}): {reason}",
        mv.from.alpha(), mv.from.sigma(), mv.to.alpha(), mv.to.sigma()
    )]
    Step {
        /// The move.
        mv: Move,
        /// The reason.
        #[source]
        reason: StepError,
    },
    /// The step cannot start at the first level of the path.
    #[error("the run cannot start: {0}")]
    Start(#[source] StepError),
    /// A path along which the sampler cannot encode.
    #[error(
        "to encode, every move of the path has to lower the noise; from (α = {}, σ = {}) to (α = {}, σ = {}) does not",
        mv.to.alpha(), mv.to.sigma(), mv.from.alpha(), mv.from.sigma()
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
    /// The state contains NaN or an infinity.
    #[error(
        "the state is not finite at α = {}, σ = {}, after {evaluations} evaluations of the denoiser",
        level.alpha(), level.sigma()
    )]
    NotFinite {
        /// The level of the state in which it was found.
        level: Level,
        /// The number of denoiser evaluations up to there.
        evaluations: usize,
    },
}

impl<S> Sampler<S> {
    /// Creates a sampler that walks `path` by `step`.
    pub fn new(step: S, path: LevelPath) -> Self {
        Self {
            step,
            path,
            checks_each: false,
        }
    }

    /// Checks every state, so that [`SampleError::NotFinite`] names the first level with a
    /// non-finite value. Each check waits for the device.
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

    /// Draws the initial state at the path's first level: `N(0, σ² I)`, unless the step overrides
    /// [`Step::start`].
    ///
    /// # Errors
    /// [`SampleError::Start`] if the step cannot start with that shape.
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

    /// Walks the whole path from `x`, the state at its first level, and returns the last state.
    ///
    /// # Errors
    /// * [`SampleError`] before any evaluation, if the denoiser or the step does not support the
    ///   path or the shape of `x`.
    /// * [`SampleError::Step`] if a move fails.
    /// * [`SampleError::NotFinite`] if the last state is not finite. With
    ///   [`checking_each`](Self::checking_each) the error names the level at which this began.
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

    /// Like [`sample`](Self::sample), but an iterator over the states, of known length. Use it to
    /// stop early, to keep some states or to show progress. Each state carries the number of
    /// denoiser evaluations so far. The iterator ends after a move that fails.
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

    /// Encodes data `x`, at the path's last level, to a latent at its first level. The same sampler
    /// maps the latent back to `x`, up to its discretisation error.
    ///
    /// The step must be deterministic. The path must end at some noise, and every move must lower
    /// the noise.
    ///
    /// # Errors
    /// [`SampleError::Encode`] if a move of the path does not lower the noise,
    /// [`SampleError::Step`] for a step that draws noise, otherwise as [`sample`](Self::sample).
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

    /// Like [`encode`](Self::encode), but an iterator over the states.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encoding<'a, const D: usize>(
        &'a self,
        denoiser: &'a dyn Denoiser<D>,
        x: Tensor<D>,
    ) -> Result<Trajectory<'a, D, S>, SampleError>
    where
        S: Step<D>,
    {
        let path = self.path.clone().reversed();
        // Steps that draw noise reject upward moves. Methods that evaluate the end of a move need
        // an estimate there too.
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
    /// Taken during a move, so that the step can reuse its buffer.
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

    /// Walks to the end and keeps no state on the way, so that each step can reuse the last buffer.
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

    /// The state after the move `mv` from `here`.
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

/// Whether every value is finite: `0·x` is NaN otherwise, and so is its sum.
fn is_finite<const D: usize>(x: &Tensor<D>) -> bool {
    let zero = (x.clone() * 0.0).sum().into_scalar::<f64>();
    zero == 0.0
}

/// Checks that a batch holds at least one value.
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
