//! DPIR, half-quadratic splitting with a denoiser: the proximal step of the data term, then
//! denoising.
//!
//! `z = argmin ‖y − A z‖²/(2σ_y²) + λ/(2σ²) ‖z − x‖²`, `x = D(z, σ)`, along a path of decreasing
//! `σ`. The state is the image itself at every level. The chain starts at the posterior mean for
//! the prior `N(0, I)`, `(AᵀA + σ_y²)⁻¹ Aᵀ y`.
//!
//! # Reference
//! Zhang et al. 2021, "Plug-and-Play Image Restoration with Deep Denoiser Prior",
//! arXiv:2008.13751.

use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::{proximal_step, start_at_least_squares};
use burn::tensor::{Device, Tensor};
use tweedie_core::{InputError, Noise};
use tweedie_math::{Level, LevelPath, Move, ParameterError, PathError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// DPIR: one iteration of half-quadratic splitting per move.
///
/// It gives a point estimate for linear operators and Gaussian noise, with any denoiser.
#[derive(Clone, Debug)]
pub struct Dpir<P> {
    problem: P,
    lambda: f64,
}

impl<P> Dpir<P> {
    /// Creates DPIR with the paper's weight λ = 0.23 of the prior.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            lambda: 0.23,
        }
    }

    /// Sets the weight λ of the prior.
    ///
    /// # Errors
    /// [`ParameterError`] unless λ is finite and above 0.
    pub fn with_lambda(self, lambda: f64) -> Result<Self, ParameterError> {
        let lambda = ParameterError::require_positive("λ", lambda)?;
        Ok(Self { lambda, ..self })
    }

    /// Returns DPIR's path: `steps` levels, then clean data.
    ///
    /// The noise falls by a constant factor from `first` to `last`, in the range of the image. DPIR
    /// uses 49/255 of the range down to the measurement's σ_y, and 8 to 40 steps.
    ///
    /// # Errors
    /// [`PathError`] if `steps` is 0, if a noise level is not finite and above 0, or if `last` is
    /// above `first`.
    pub fn path(first: f64, last: f64, steps: usize) -> Result<LevelPath, PathError> {
        let level = |i: usize| {
            let part = i as f64 / (steps.max(2) - 1) as f64;
            let sigma = first * (last / first).powf(part);
            Level::variance_exploding(sigma)
                .ok()
                .filter(|level| level.sigma() > 0.0)
                .ok_or(ParameterError {
                    name: "noise of the path",
                    expected: "finite and above 0",
                    value: sigma,
                })
        };
        if !(last > 0.0 && last <= first) {
            return Err(ParameterError {
                name: "last noise of the path",
                expected: "above 0 and at most the first",
                value: last,
            }
            .into());
        }
        let levels = (0..steps).map(level).collect::<Result<Vec<_>, _>>()?;
        match levels.is_empty() {
            true => Err(PathError::NoSteps { steps }),
            false => Ok(LevelPath::through([levels, vec![Level::CLEAN]].concat())?),
        }
    }
}

impl<const D: usize, P: LinearGaussian<D>> Step<D> for Dpir<P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let shift = self.lambda * (self.problem.sigma() / mv.from.noise_to_signal()).powi(2);
        let z = proximal_step(&self.problem, x, shift)?;
        let clean = context.denoise(z * mv.from.alpha(), mv.from)?;
        Ok(State::new(mv.to, clean.clone(), Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_signal()?;
        Ok(mv.from.require_noise()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)
    }

    fn start(
        &self,
        shape: [usize; D],
        _: Level,
        device: &Device,
        _: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError> {
        start_at_least_squares(&self.problem, shape, device)
    }
}
