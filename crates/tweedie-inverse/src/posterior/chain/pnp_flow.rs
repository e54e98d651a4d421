//! PnP-Flow: a gradient step of the data term, fresh noise, and denoising, at every level.
//!
//! With the noise's share `r = σ/(α + σ)`, which is the time of a rectified flow,
//!
//! 1. `z = x + γ r^a Aᵀ (y − A x)`;
//! 2. `x ← mean over i of D(α z + σ ε_i)`, with fresh noise `ε_i`.
//!
//! The state is the image itself; the fresh noise keeps the input of `D` on the path that it was
//! trained for. The result is a point estimate.
//!
//! # Reference
//! Martin, Gagneux, Hagemann & Steidl 2025, "PnP-Flow: Plug-and-Play Image Restoration with Flow
//! Matching", algorithm 3, arXiv:2410.02423.

use crate::measurement::{LinearMeasured, accepts_linear};
use crate::posterior::residual;
use burn::tensor::{Device, Tensor};
use tweedie_core::{InputError, Noise};
use tweedie_math::{Level, Move, MoveError, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// PnP-Flow for linear operators, with any denoiser. The network is not differentiated.
#[derive(Clone, Debug)]
pub struct PnpFlow<P> {
    problem: P,
    size: f64,
    power: f64,
    draws: usize,
}

impl<P> PnpFlow<P> {
    /// Creates the method with the paper's 5 draws of the noise, `a = 0.5` and `γ = 1`, for
    /// operators of norm 1.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            size: 1.0,
            power: 0.5,
            draws: 5,
        }
    }

    /// Sets the step size γ, in `(0, 2/‖A‖²)`.
    ///
    /// # Errors
    /// [`ParameterError`] unless γ is finite and above 0.
    pub fn with_step_size(self, size: f64) -> Result<Self, ParameterError> {
        let size = ParameterError::require_positive("γ", size)?;
        Ok(Self { size, ..self })
    }

    /// Sets the power `a` with which steps fall along the path. The paper uses 0.01 to 1.
    ///
    /// # Errors
    /// [`ParameterError`] unless `power` is finite and at least 0.
    pub fn with_power(self, power: f64) -> Result<Self, ParameterError> {
        let power = ParameterError::require_non_negative("the power of the steps", power)?;
        Ok(Self { power, ..self })
    }

    /// Sets the number of draws of the noise; each is one evaluation.
    ///
    /// # Errors
    /// [`ParameterError`] if `draws` is 0.
    pub fn with_draws(self, draws: usize) -> Result<Self, ParameterError> {
        let draws = ParameterError::require_count("the number of draws", draws)?;
        Ok(Self { draws, ..self })
    }
}

impl<const D: usize, P: LinearMeasured<D>> Step<D> for PnpFlow<P> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let level = mv.from;
        let share = level.sigma() / (level.alpha() + level.sigma());
        let back = residual(&self.problem, x.clone())?;
        let back = self.problem.linear().adjoint(back);
        let z = (x + back * (self.size * share.powf(self.power))) * level.alpha();
        let mut sum = z.zeros_like();
        for _ in 0..self.draws {
            let noisy = z.clone() + context.noise.normal_like(&z) * level.sigma();
            sum = sum + context.denoise(noisy, level)?;
        }
        let clean = sum * (1.0 / self.draws as f64);
        Ok(State::new(mv.to, clean.clone(), Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        Ok(mv.require_down()?)
    }

    /// Rejects forward moves: the state is an image at every level, to which no noise is added.
    fn check_forward(&self, _: Move) -> Result<(), StepError> {
        Err(MoveError::Uphill.into())
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
        self.problem.accepts(shape)?;
        let y = self.problem.y().to_device(device);
        Ok(self.problem.linear().adjoint(y).expand(shape))
    }
}
