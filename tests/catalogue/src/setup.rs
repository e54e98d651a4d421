//! Inputs from which a posterior method is built, and the resulting denoiser, step and path.

use burn::tensor::Tensor;
use std::fmt;
use tweedie_core::Denoiser;
use tweedie_inverse::posterior::Dpir;
use tweedie_math::{Ancestral, Level, LevelPath, PathError};
use tweedie_samplers::{AnyStep, Ddim};

/// Why a method could not be built.
pub type Failure = Box<dyn std::error::Error>;

/// What a method wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The denoiser: any sampler moves.
    Guidance,
    /// The kernel of an ancestral step.
    Correction,
    /// Nothing: the method makes its own moves.
    Chain,
}

/// Which moves the caller can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// Those of any sampler.
    AnySampler,
    /// Those of a kernel, with noise or without.
    AnyKernel,
    /// None; the method defines its moves.
    Own,
}

/// The path that a method takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Route {
    /// Down to clean data.
    Down,
    /// The same, with each stretch of `length` moves travelled `repeats` times.
    Travelling {
        /// The number of moves of a stretch.
        length: usize,
        /// How often each stretch is travelled.
        repeats: usize,
    },
    /// At one level.
    Staying(Level),
    /// DPIR's: down to the noise of the measurement.
    ToTheMeasurement,
}

impl Route {
    /// Returns the path of a method: `down` to clean data, or `moves` moves of its own for a
    /// measurement with noise of standard deviation `sigma`.
    ///
    /// # Errors
    /// [`PathError`] if there are no moves.
    pub fn path(self, down: LevelPath, moves: usize, sigma: f64) -> Result<LevelPath, PathError> {
        match self {
            Self::Down => Ok(down),
            Self::Travelling { length, repeats } => Ok(down.with_time_travel(length, repeats)),
            Self::Staying(level) => LevelPath::staying(level, moves),
            Self::ToTheMeasurement => Dpir::<()>::path(1.0, sigma.min(0.9), moves),
        }
    }
}

/// What a method is built from.
#[derive(Clone)]
pub struct Setup<'a, const D: usize, P> {
    /// The denoiser.
    pub prior: &'a dyn Denoiser<D>,
    /// The measurement, repeated for each draw.
    pub problem: &'a P,
    /// The measurement without repetition, for ensemble methods.
    pub once: &'a P,
    /// The path down to clean data.
    pub path: LevelPath,
    /// Whether kernels that a method wraps add noise.
    pub is_noisy: bool,
    /// The method's strength (ζ, `w` or λ) instead of its default.
    pub strength: Option<f64>,
    /// The standard deviation of a value of the signal.
    pub data_std: f64,
    /// `(‖A‖/σ_y)²`, the curvature of the likelihood.
    pub curvature: f64,
    /// Conjugate-gradient iterations instead of the default.
    pub iterations: Option<usize>,
    /// Langevin steps of DAPS instead of the default.
    pub inner_steps: Option<usize>,
    /// RePaint's time travel: the moves of a stretch, and how often each is travelled.
    pub travel: Option<[usize; 2]>,
    /// The step size of PnP-ULA instead of one that suits the curvature.
    pub step_size: Option<f64>,
    /// `‖A‖`, the norm of the operator.
    pub norm: f64,
    /// The number of particles of an ensemble.
    pub particles: usize,
    /// Where RED-diff starts if the operator has no pseudo-inverse.
    pub start: Option<Tensor<D>>,
}

impl<const D: usize, P> fmt::Debug for Setup<'_, D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl<'a, const D: usize, P> Setup<'a, D, P> {
    /// The defaults of every method, for signals of unit variance.
    pub fn new(prior: &'a dyn Denoiser<D>, problem: &'a P, path: LevelPath) -> Self {
        Self {
            prior,
            problem,
            once: problem,
            path,
            is_noisy: true,
            strength: None,
            data_std: 1.0,
            curvature: 1.0,
            iterations: None,
            inner_steps: None,
            travel: None,
            step_size: None,
            norm: 1.0,
            particles: 2,
            start: None,
        }
    }

    /// A step size for descents of `½ ‖y − A x‖²`.
    pub(crate) fn step_length(&self) -> f64 {
        self.norm.powi(-2)
    }

    pub(crate) fn kernel(&self) -> Ddim {
        match self.is_noisy {
            true => Ddim::ancestral(),
            false => Ddim::deterministic(),
        }
    }
}

/// A method, ready to run.
pub struct Parts<'a, const D: usize> {
    /// The denoiser, guided or not.
    pub denoiser: Box<dyn Denoiser<D> + 'a>,
    /// The step; `None` for any.
    pub step: Option<AnyStep<D>>,
    /// The path.
    pub route: Route,
}

impl<const D: usize> Parts<'_, D> {
    /// Returns the step of the method, or DDPM's if the method takes any.
    #[must_use]
    pub fn step_or_ddpm(&self) -> AnyStep<D> {
        let step = self.step.clone();
        step.unwrap_or_else(|| AnyStep::new(Ancestral::default()))
    }
}

impl<const D: usize> fmt::Debug for Parts<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("step", &self.step)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

pub(crate) type Build<const D: usize, P> =
    for<'a> fn(&Setup<'a, D, P>) -> Result<Parts<'a, D>, Failure>;

/// A posterior method, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Method<const D: usize, P> {
    /// The name in files and on command lines.
    pub id: &'static str,
    /// The published name.
    pub name: &'static str,
    /// What the method wraps.
    pub kind: Kind,
    /// Which moves the caller can choose.
    pub moves: Moves,
    /// Whether [`Setup::strength`] changes it.
    pub has_strength: bool,
    /// Whether its law is affine on a Gaussian prior.
    pub is_affine: bool,
    /// Whether the result is a point estimate instead of draws.
    pub is_point: bool,
    /// Whether the samples of a batch interact.
    pub is_ensemble: bool,
    /// Whether a measurement has to have the signal's shape.
    pub keeps_shape: bool,
    /// Whether the number of evaluations depends on rounding, because iterations stop early.
    pub iterates: bool,
    /// The factor by which the method's path is longer than the usual one when methods are
    /// compared.
    pub path_factor: usize,
    build: Build<D, P>,
}

impl<const D: usize, P> Method<D, P> {
    pub(crate) fn new(
        id: &'static str,
        name: &'static str,
        kind: Kind,
        build: Build<D, P>,
    ) -> Self {
        Self {
            id,
            name,
            kind,
            moves: match kind {
                Kind::Guidance => Moves::AnySampler,
                Kind::Correction => Moves::AnyKernel,
                Kind::Chain => Moves::Own,
            },
            has_strength: false,
            is_affine: true,
            is_point: false,
            is_ensemble: false,
            keeps_shape: false,
            iterates: false,
            path_factor: 1,
            build,
        }
    }

    /// Marks a method that is not affine, because of a norm's gradient, a square root or a
    /// log-mean-exp.
    pub(crate) fn curved(mut self) -> Self {
        self.is_affine = false;
        self
    }

    /// Marks a method whose strength can be set.
    pub(crate) fn tunable(mut self) -> Self {
        self.has_strength = true;
        self
    }

    pub(crate) fn moving(mut self, moves: Moves) -> Self {
        self.moves = moves;
        self
    }

    pub(crate) fn point(mut self) -> Self {
        self.is_point = true;
        self
    }

    pub(crate) fn ensemble(mut self) -> Self {
        self.is_ensemble = true;
        self.curved()
    }

    pub(crate) fn keeping_shape(mut self) -> Self {
        self.keeps_shape = true;
        self
    }

    pub(crate) fn iterating(mut self) -> Self {
        self.iterates = true;
        self
    }

    pub(crate) fn lengthened(mut self, path_factor: usize) -> Self {
        self.path_factor = path_factor;
        self
    }

    /// Builds the method.
    ///
    /// # Errors
    /// If a parameter of `setup` is out of range.
    pub fn build<'a>(&self, setup: &Setup<'a, D, P>) -> Result<Parts<'a, D>, Failure> {
        (self.build)(setup)
    }
}

/// A measurement that a method can own.
pub trait Owned: Clone + Send + Sync + 'static {}

impl<P: Clone + Send + Sync + 'static> Owned for P {}
