//! A step and the path it walks.

use crate::{State, Step};
use burn::tensor::{Device, Tensor};
use tweedie_core::{Counting, Denoiser, InputError, Noise, Replay};
use tweedie_math::{Level, Move, Path, forward, gaussian};

/// A step and the path it walks.
///
/// A move of the path that goes up in noise is a forward one: fresh noise is added, exactly, and
/// the step forgets what it remembered. That is RePaint's time travel, for any step. Walking the path
/// from its end to its start by the step itself is [`encode`](Self::encode).
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_core::{HostNoise, oracle::Gaussian};
/// use tweedie_math::{Ddim, Path, Span, VariancePreserving};
/// use tweedie_samplers::Sampler;
///
/// let prior = Gaussian::isotropic(&[1.0, 2.0], 0.3)?;
/// let path = Path::log_snr(VariancePreserving::default(), Span::default(), 200)?;
/// let sampler = Sampler::new(Ddim::deterministic(), path);
/// let mut noise = HostNoise::seeded(7);
/// let z = sampler.start([1, 2], &Device::flex(), &mut noise);
/// let mut x = z.clone();
/// for state in sampler.trajectory(&prior, z.clone(), &mut noise)? {
///     // state.level, state.clean, state.evaluations: show it, keep it, or stop here.
///     x = state.x;
/// }
/// let again = sampler.encode(&prior, x)?;
/// assert!((again - z).abs().max().into_scalar::<f32>() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler<S> {
    step: S,
    path: Path,
}

/// Why a run cannot begin, or had to end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The state has not the shape, or a parameter not the value, that the denoiser or the step takes.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The denoiser has no estimate at a level on the path.
    #[error(
        "the denoiser gives no clean estimate at α = {}, σ = {}: choose a path that starts later, \
         or a prediction that exists there (velocity, clean); or one of its parameters is out of range",
        level.alpha(), level.sigma()
    )]
    Denoiser {
        /// The level.
        level: Level,
    },
    /// The step cannot make a move of the path: it is singular there, or a parameter is out of range.
    #[error(
        "the step cannot move from (α = {}, σ = {}) to (α = {}, σ = {}): it is singular there, or one of \
         its parameters is out of range",
        mv.from.alpha(), mv.from.sigma(), mv.to.alpha(), mv.to.sigma()
    )]
    Step {
        /// The move.
        mv: Move,
    },
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
    #[error("{name} has to be {expected}, got {value}")]
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// What it has to be.
        expected: &'static str,
        /// What it was.
        value: f64,
    },
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
    pub fn new(step: S, path: Path) -> Self {
        Self { step, path }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The step.
    pub fn step(&self) -> &S {
        &self.step
    }

    /// A draw from the prior at the path's first level: `N(0, σ² I)`.
    pub fn start<const D: usize>(
        &self,
        shape: [usize; D],
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Tensor<D> {
        noise.normal(shape, device) * gaussian::prior_std(self.path.start())
    }

    /// Walks the whole path from `x`, the state at its first level, and gives the last state.
    ///
    /// # Errors
    /// [`SampleError`] if the denoiser or the step does not support the path or the shape of `x`;
    /// nothing has been evaluated then. [`SampleError::NotFinite`] if the last state is not finite:
    /// [`try_sample`](Self::try_sample) says where that began.
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

    /// [`sample`](Self::sample), looking at every state on the way.
    ///
    /// # Errors
    /// As [`sample`](Self::sample); [`SampleError::NotFinite`] as soon as a state is not finite.
    pub fn try_sample<const D: usize>(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, SampleError>
    where
        S: Step<D>,
    {
        let mut last = x.clone();
        for state in self.trajectory(denoiser, x, noise)?.checked() {
            last = state?.x;
        }
        Ok(last)
    }

    /// The same walk as an iterator over its states, which knows its length: stop early, keep some,
    /// show progress, all with the adaptors of iterators. Every state says how many evaluations of
    /// the denoiser it took to get there.
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
        let is_reverse = |mv: &Move| !mv.is_forward();
        self.check(denoiser, x.dims(), self.path.moves().filter(is_reverse))?;
        Ok(Trajectory {
            level: self.path.start(),
            step: &self.step,
            moves: self.path.moves().collect::<Vec<_>>().into_iter(),
            denoiser: Counting::new(denoiser),
            x: Some(x),
            noise: Box::new(noise),
            memory: S::Memory::default(),
            renoises: true,
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
        let samples = shape[0] as f64;
        InputError::unless(
            !shape.contains(&0),
            "the batch",
            "of at least one value",
            samples,
        )?;
        denoiser.accepts(shape)?;
        self.step.accepts(shape)?;
        for mv in moves {
            if !denoiser.supports(mv.from) {
                return Err(SampleError::Denoiser { level: mv.from });
            }
            if !self.step.supports(mv) {
                return Err(SampleError::Step { mv });
            }
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
}

impl<'a, const D: usize, S: Step<D>> Trajectory<'a, D, S> {
    /// Walks to the end; no state is kept on the way, so that each step may reuse the last one's memory.
    fn end(mut self) -> Result<Tensor<D>, SampleError> {
        while self.next().is_some() {}
        let not_finite = SampleError::NotFinite {
            level: self.level,
            evaluations: self.denoiser.evaluations(),
        };
        self.x.filter(is_finite).ok_or(not_finite)
    }

    /// Ends with an error at the first state that is not finite. Looking at it waits for the device.
    ///
    /// # Errors
    /// The items are [`SampleError::NotFinite`] or a state.
    pub fn checked(self) -> impl Iterator<Item = Result<State<D>, SampleError>> + 'a
    where
        S::Memory: 'a,
    {
        let mut ended = false;
        self.map_while(move |state| {
            if ended {
                return None;
            }
            ended = !is_finite(&state.x);
            Some(if ended {
                Err(SampleError::NotFinite {
                    level: state.level,
                    evaluations: state.evaluations,
                })
            } else {
                Ok(state)
            })
        })
    }
}

/// Whether every value is a finite number: then the sum of their multiples by 0 is 0.
fn is_finite<const D: usize>(x: &Tensor<D>) -> bool {
    let zero = (x.clone() * 0.0).sum().into_scalar::<f64>();
    zero == 0.0
}

impl<const D: usize, S: Step<D>> Iterator for Trajectory<'_, D, S> {
    type Item = State<D>;

    fn next(&mut self) -> Option<State<D>> {
        let mv = self.moves.next()?;
        let here = self.x.take()?;
        let mut state = if self.renoises && mv.is_forward() {
            self.memory = S::Memory::default();
            let up = forward::conditional(mv.from, mv.to);
            let fresh = self.noise.normal_like(&here);
            State::new(mv.to, here * up.state + fresh * up.noise, None)
        } else {
            let (denoiser, noise) = (&self.denoiser, &mut *self.noise);
            self.step.step(denoiser, here, mv, noise, &mut self.memory)
        };
        state.evaluations = self.denoiser.evaluations();
        self.level = mv.to;
        self.x = Some(state.x.clone());
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
