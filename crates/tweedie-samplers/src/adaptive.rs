//! The probability flow with adaptive step size.
//!
//! On the unit circle `α = cos φ`, `σ = sin φ` the flow is the velocity field, `dx/dφ = v`. It is
//! finite at pure noise and smooth for every schedule; states at other levels of the same log-SNR
//! are multiples of these. An embedded Runge–Kutta pair integrates `v` and keeps the error of each
//! step within a tolerance.
//!
//! The whole batch takes the same steps; the sample with the largest error determines their length.
//! Within the tolerance, a sample therefore depends on the others in its batch.
//!
//! [`Adaptive::solve`] walks a whole path with free steps and interpolates at its levels by the
//! pair's dense output. As a [`Step`] the method stops at every level, which costs one evaluation
//! each.
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
/// // Five levels at which to report the state; the solver chooses the steps between them.
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
    /// The denoiser rejects the shape, or one of its parameters is out of range.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The flow is singular at a level without noise.
    #[error("the flow has to be integrated between levels of some noise: end the path earlier")]
    Clean,
    /// The noise of the path's levels is not monotonic.
    #[error("the noise along the path has to fall or to rise throughout")]
    Turns,
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The noisy level of a likelihood is not noisier than the clean one.
    #[error("the noisy level has to have more noise than the clean one, relative to its signal")]
    Swapped,
    /// The denoiser failed, or a likelihood needs the gradient of an estimate that has none.
    #[error(transparent)]
    Denoise(#[from] DenoiseError),
    /// The denoiser has no estimate at a level.
    #[error("the denoiser gives no clean estimate at α = {}, σ = {}", level.alpha(), level.sigma())]
    Denoiser {
        /// The level.
        level: Level,
    },
    /// The solver did not reach its tolerance.
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
    /// The states at the path's levels, without the first.
    pub states: Vec<Tensor<D>>,
    /// The number of denoiser evaluations.
    pub evaluations: usize,
    /// The number of accepted steps.
    pub accepted: usize,
    /// The number of rejected steps.
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

    /// Sets the tolerance.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.integrator.tolerance = tolerance;
        self
    }

    /// Sets the step-size controller.
    ///
    /// # Errors
    /// [`ParameterError`] unless its coefficients are finite.
    pub fn with_controller(mut self, controller: Controller) -> Result<Self, ParameterError> {
        controller.check()?;
        self.integrator.controller = controller;
        Ok(self)
    }

    /// Sets the maximum number of steps, accepted and rejected; the default is 10,000.
    #[must_use]
    pub fn with_max_steps(mut self, most_steps: usize) -> Self {
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

    /// Integrates from `x`, at the path's first level, to its other levels, down or up in noise.
    ///
    /// # Errors
    /// [`AdaptiveError`] if the path is not monotonic or has a level without noise, if the denoiser
    /// does not support it or fails, or if the solver misses its tolerance.
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

/// Checks that the flow can be integrated through `levels`, and returns their angles.
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
    /// The pair's order. The error follows the tolerance, not the moves of the path.
    fn order(&self) -> usize {
        self.integrator.tableau.order
    }
}
