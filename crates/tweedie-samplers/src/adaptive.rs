//! The probability flow with steps of its own choice.
//!
//! On the unit circle `α = cos φ`, `σ = sin φ` the flow is the velocity field, `dx/dφ = v`, finite
//! at pure noise and smooth for every schedule; a state at another level of the same log-SNR is a
//! multiple of it. An embedded Runge–Kutta pair integrates `v` with steps that keep the error
//! within a tolerance.
//!
//! One step serves the whole batch, and is as short as its worst sample needs: within the
//! tolerance, a sample depends on its neighbours.
//!
//! [`Adaptive::solve`] walks a whole path, steps freely and interpolates at its levels by the
//! pair's own polynomial; as a [`Step`] it lands on every level, which costs an evaluation each.
//!
//! # Reference
//! Salimans & Ho 2022, appendix D (the angle), arXiv:2202.00512; Song et al. 2021, section 4.3
//! (adaptive solvers), arXiv:2011.13456; pairs: see [`tableau`].

use crate::integrator::{Controller, Integrator, Stuck, Tolerance};
use crate::sampler::not_empty;
use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_core::{Counting, DenoiseError, Denoiser, InputError};
use tweedie_math::{Level, LevelPath, Move, ParameterError, Tableau, tableau};

/// An embedded Runge–Kutta pair on the probability flow.
///
/// ```
/// use burn::tensor::{DType, Device, Tensor};
/// use tweedie_core::oracle::Gaussian;
/// use tweedie_math::{LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{Adaptive, Tolerance};
///
/// let prior = Gaussian::isotropic(&[1.0, 2.0], 0.3)?;
/// let z = Tensor::<2>::from_data([[0.3, -1.2]], (&Device::flex(), DType::F64));
/// // Five levels on the way; the steps between them are the solver's.
/// let path = LevelPath::uniform(VariancePreserving::default(), Span::default(), 5)?;
/// let solver = Adaptive::tsitouras().with_tolerance(Tolerance::both(1e-6)?);
/// let solution = solver.solve(&prior, z.clone(), &path)?;
/// let exact = prior.flow(z, path.start(), path.end());
/// let gap = (solution.states[4].clone() - exact).abs().max().into_scalar::<f64>();
/// assert!(gap < 1e-5 && solution.evaluations < 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    integrator: Integrator,
}

/// Why a path could not be integrated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AdaptiveError {
    /// The denoiser does not take such states, or one of its parameters is out of range.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The flow is singular where no noise is left.
    #[error("the flow has to be integrated between levels of some noise: end the path earlier")]
    Clean,
    /// A path that does not go one way.
    #[error("the levels of the path have to go one way, down or up in noise")]
    Turns,
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The noisy level of a likelihood is not the noisier one.
    #[error("the noisy level has to have more noise than the clean one, relative to its signal")]
    Swapped,
    /// The denoiser failed, or its estimate has no gradient and a likelihood needs one.
    #[error(transparent)]
    Denoise(#[from] DenoiseError),
    /// The denoiser has no estimate at a level.
    #[error("the denoiser gives no clean estimate at α = {}, σ = {}", level.alpha(), level.sigma())]
    Denoiser {
        /// The level.
        level: Level,
    },
    /// The tolerance was not reached.
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
}

impl From<Stuck> for AdaptiveError {
    fn from(stuck: Stuck) -> Self {
        Self::Stuck {
            level: Level::at_angle(stuck.time),
            steps: stuck.steps,
            error: stuck.error,
        }
    }
}

/// The flow at the levels of a path.
#[derive(Clone, Debug)]
pub struct DenseOutput<const D: usize> {
    /// The states at the path's levels, its first left out.
    pub states: Vec<Tensor<D>>,
    /// How often the denoiser was asked.
    pub evaluations: usize,
    /// How many steps were accepted.
    pub accepted: usize,
    /// How many were rejected.
    pub rejected: usize,
}

impl Adaptive {
    /// Bogacki & Shampine's pair of order 3(2).
    #[must_use]
    pub fn bogacki_shampine() -> Self {
        Self::new(tableau::BOGACKI_SHAMPINE)
    }

    /// Dormand & Prince's pair of order 5(4).
    #[must_use]
    pub fn dormand_prince() -> Self {
        Self::new(tableau::DORMAND_PRINCE)
    }

    /// Tsitouras' pair of order 5(4).
    #[must_use]
    pub fn tsitouras() -> Self {
        Self::new(tableau::TSITOURAS)
    }

    /// With another tolerance.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.integrator.tolerance = tolerance;
        self
    }

    /// With another controller.
    ///
    /// # Errors
    /// [`ParameterError`] unless its coefficients are finite.
    pub fn with_controller(mut self, controller: Controller) -> Result<Self, ParameterError> {
        controller.check()?;
        self.integrator.controller = controller;
        Ok(self)
    }

    /// Gives up after this many steps, accepted and rejected; 10,000 unless told.
    #[must_use]
    pub fn with_most_steps(mut self, most_steps: usize) -> Self {
        self.integrator.most_steps = most_steps;
        self
    }

    fn new(tableau: Tableau) -> Self {
        Self {
            integrator: Integrator {
                tableau,
                tolerance: Tolerance::default(),
                controller: Controller::default(),
                most_steps: 10_000,
            },
        }
    }

    pub(crate) fn integrator(&self) -> &Integrator {
        &self.integrator
    }

    /// The flow from `x`, at the path's first level, to its other levels, down or up in noise.
    ///
    /// # Errors
    /// [`AdaptiveError`] if the path turns or has a level without noise, if the denoiser does not
    /// support it or fails, or if the tolerance cannot be reached.
    pub fn solve<const D: usize>(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        path: &LevelPath,
    ) -> Result<DenseOutput<D>, AdaptiveError> {
        let levels = path.levels();
        let angles = check(denoiser, x.dims(), levels)?;
        let denoiser = Counting::new(denoiser);
        let velocity = |angle: f64, y: &Tensor<D>| {
            let (velocity, _) = velocity(&denoiser, y, angle)?;
            Ok::<_, AdaptiveError>(velocity)
        };
        let y = x / levels[0].rms();
        let slope = velocity(angles[0], &y)?;
        let solved = self.integrator.solve(velocity, y, slope, &angles, None)?;
        let states = solved.outputs.into_iter().zip(&levels[1..]);
        Ok(DenseOutput {
            states: states.map(|(y, level)| y * level.rms()).collect(),
            evaluations: denoiser.evaluations(),
            accepted: solved.accepted,
            rejected: solved.rejected,
        })
    }
}

/// The angles of levels that the flow can be integrated through.
pub(crate) fn check<const D: usize>(
    denoiser: &dyn Denoiser<D>,
    shape: [usize; D],
    levels: &[Level],
) -> Result<Vec<f64>, AdaptiveError> {
    not_empty(&shape)?;
    denoiser.accepts(shape)?;
    if levels.iter().any(|level| level.sigma() == 0.0) {
        return Err(AdaptiveError::Clean);
    }
    if let Some(&level) = levels.iter().find(|&&level| !denoiser.supports(level)) {
        return Err(AdaptiveError::Denoiser { level });
    }
    let angles: Vec<f64> = levels.iter().map(|level| level.angle()).collect();
    if angles.is_sorted_by(|a, b| a < b) || angles.is_sorted_by(|a, b| a > b) {
        return Ok(angles);
    }
    Err(AdaptiveError::Turns)
}

/// `v = (cos φ y − x̂₀)/sin φ` and `x̂₀`, at a state of unit variance.
pub(crate) fn velocity<const D: usize>(
    denoiser: &dyn Denoiser<D>,
    y: &Tensor<D>,
    angle: f64,
) -> Result<(Tensor<D>, Tensor<D>), DenoiseError> {
    let level = Level::at_angle(angle);
    let clean = denoiser.denoise(y.clone(), level)?;
    let velocity = (y.clone() * level.alpha() - clean.clone()) / level.sigma();
    Ok((velocity, clean))
}

impl<const D: usize> Step<D> for Adaptive {
    /// The length of the next step, as an angle.
    type Memory = Option<f64>;

    /// A move to clean data returns the estimate.
    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut Option<f64>,
    ) -> Result<State<D>, StepError> {
        let y = x / mv.from.rms();
        let (slope, clean) = velocity(context.denoiser, &y, mv.from.angle())?;
        if mv.to.sigma() == 0.0 {
            let x = clean.clone() * mv.to.alpha();
            return Ok(State::new(mv.to, x, Some(clean)));
        }
        if (mv.to.angle() - mv.from.angle()).abs() < 1e-12 {
            return Ok(State::new(mv.to, y * mv.to.rms(), Some(clean)));
        }
        let times = [mv.from.angle(), mv.to.angle()];
        let field = |angle: f64, y: &Tensor<D>| {
            let (velocity, _) = velocity(context.denoiser, y, angle)?;
            Ok::<_, StepError>(velocity)
        };
        let solved = self
            .integrator
            .solve(field, y.clone(), slope, &times, *memory)?;
        *memory = Some(solved.next_step);
        let y = solved.outputs.into_iter().last().unwrap_or(y);
        Ok(State::new(mv.to, y * mv.to.rms(), Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        Ok(mv.from.require_noise()?)
    }
}

impl Convergence for Adaptive {
    /// The method's; the error follows the tolerance, not the moves.
    fn order(&self) -> usize {
        self.integrator.tableau.order
    }
}
