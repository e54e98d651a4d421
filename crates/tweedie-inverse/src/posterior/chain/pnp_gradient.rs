//! Plug-and-play proximal gradient (PnP-PGD, and PnP-FISTA with momentum): a gradient step of the
//! data term, then denoising, `x ← D(x − τ Aᵀ (A x − y)/σ_y²)`.
//!
//! If `D` is the proximal operator of `τ g`, this is proximal gradient descent on
//! `‖y − A x‖²/(2σ_y²) + g(x)`. A Gaussian prior's denoiser of noise σ is that of `σ² (−log p)`.
//! With `τ = σ²/α²` of the denoiser's level, the default, the fixed point is then the posterior's
//! mode; it is stable for `τ < 2 σ_y²/‖A‖²`. The state is the image itself and starts at
//! `(AᵀA + σ_y²)⁻¹ Aᵀ y`. Use a path that stays at one level
//! ([`LevelPath::staying`](tweedie_math::LevelPath::staying)).
//!
//! # Reference
//! Hurault, Leclaire & Papadakis 2022, "Proximal Denoiser for Convergent Plug-and-Play
//! Optimization with Nonconvex Regularization", arXiv:2201.13256; Kamilov, Mansour & Wohlberg 2017;
//! Beck & Teboulle 2009 (momentum).

use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::{residual, start_at_least_squares};
use burn::tensor::{Device, Tensor};
use tweedie_core::{InputError, Noise};
use tweedie_math::{Level, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// PnP-PGD: a point estimate for linear operators and Gaussian noise, with any denoiser.
#[derive(Clone, Debug)]
pub struct PnpGradient<P> {
    problem: P,
    tau: Option<f64>,
    has_momentum: bool,
}

impl<P> PnpGradient<P> {
    /// Creates the method with the step size of the denoiser's level, without momentum.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            tau: None,
            has_momentum: false,
        }
    }

    /// Sets the step size τ, in `(0, 2σ_y²/‖A‖²)`. It is the variance of the noise that `D` removes
    /// divided by the weight of the prior.
    ///
    /// # Errors
    /// [`ParameterError`] unless τ is finite and above 0.
    pub fn with_step_size(self, tau: f64) -> Result<Self, ParameterError> {
        let tau = Some(ParameterError::require_positive("τ", tau)?);
        Ok(Self { tau, ..self })
    }

    /// Adds the momentum of FISTA, `x + (k − 1)/(k + 2) (x − x_before)` before the `k`th step.
    #[must_use]
    pub fn with_momentum(self) -> Self {
        Self {
            has_momentum: true,
            ..self
        }
    }
}

/// The previous image and the number of steps.
#[derive(Clone, Debug)]
pub struct Momentum<const D: usize> {
    before: Option<Tensor<D>>,
    steps: usize,
}

impl<const D: usize> Default for Momentum<D> {
    fn default() -> Self {
        Self {
            before: None,
            steps: 0,
        }
    }
}

impl<const D: usize, P: LinearGaussian<D>> Step<D> for PnpGradient<P> {
    type Memory = Momentum<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut Momentum<D>,
    ) -> Result<State<D>, StepError> {
        memory.steps += 1;
        let ahead = match (self.has_momentum, memory.before.take()) {
            (true, Some(before)) => {
                let k = memory.steps as f64;
                x.clone() + (x.clone() - before) * ((k - 1.0) / (k + 2.0))
            }
            _ => x.clone(),
        };
        memory.before = self.has_momentum.then_some(x);
        let tau = self.tau.unwrap_or_else(|| mv.from.snr().recip());
        let back = residual(&self.problem, ahead.clone())?;
        let back = self.problem.linear().adjoint(back);
        let moved = ahead + back * (tau / self.problem.sigma().powi(2));
        let clean = context.denoise(moved * mv.from.alpha(), mv.from)?;
        Ok(State::new(mv.to, clean.clone(), Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.require_staying()?;
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
