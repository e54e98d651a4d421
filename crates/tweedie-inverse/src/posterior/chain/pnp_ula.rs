//! PnP-ULA: Langevin dynamics of the posterior, with a denoiser as the prior's score,
//! `x ← x + δ (∇ log p(y | x) + (D(x) − x)/σ²) + √(2δ) z`.
//!
//! By Tweedie's formula, `(D(x) − x)/σ²` is the score of the prior blurred by σ. The chain
//! therefore samples `p(y | x) p_σ(x)`, up to a bias of order δ. The state is the image itself, and
//! the path has to stay at the level of the denoiser
//! ([`LevelPath::staying`](tweedie_math::LevelPath::staying)).
//!
//! # Reference
//! Laumont et al. 2022, "Bayesian Imaging Using Plug & Play Priors: When Langevin Meets Tweedie",
//! arXiv:2103.04715.

use crate::measurement::Likelihood;
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError, vjp};
use tweedie_math::{Level, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// PnP-ULA for any likelihood and any denoiser: one Langevin step per move.
#[derive(Clone, Debug)]
pub struct PnpUla<L> {
    likelihood: L,
    delta: Option<f64>,
    range: Option<(f64, f64)>,
}

impl<L> PnpUla<L> {
    /// Creates the method for `likelihood`. The step size has no default: a run fails unless
    /// [`with_step_size`](Self::with_step_size) sets it.
    pub fn new(likelihood: L) -> Self {
        Self {
            likelihood,
            delta: None,
            range: None,
        }
    }

    /// Sets the step size δ, in `(0, 2/(L + α²/σ²))` with `L` the largest eigenvalue of
    /// `−∇² log p(y | x)`: `‖A‖²/σ_y²` for a linear operator with Gaussian noise.
    ///
    /// # Errors
    /// [`ParameterError`] unless δ is finite and above 0.
    pub fn with_step_size(self, delta: f64) -> Result<Self, ParameterError> {
        let delta = Some(ParameterError::require_positive("δ", delta)?);
        Ok(Self { delta, ..self })
    }

    fn step_size(&self) -> Result<f64, ParameterError> {
        let delta = self.delta.unwrap_or(0.0);
        ParameterError::require_positive(
            "the step size δ (set it with `PnpUla::with_step_size`)",
            delta,
        )
    }

    /// Clamps the state to `[min, max]`, as the projected variant of the paper does.
    ///
    /// # Errors
    /// [`ParameterError`] unless `min < max`.
    pub fn with_range(self, min: f64, max: f64) -> Result<Self, ParameterError> {
        ParameterError::require(min < max, "the upper bound", "above the lower one", max)?;
        Ok(Self {
            range: Some((min, max)),
            ..self
        })
    }
}

/// `∇ log p(y | x) + (D(x) − x)/σ²`, and `D(x)`, at the noise σ of a level.
pub(super) fn score<const D: usize>(
    likelihood: &impl Likelihood<D>,
    denoiser: &dyn Denoiser<D>,
    x: Tensor<D>,
    level: Level,
) -> Result<(Tensor<D>, Tensor<D>), DenoiseError> {
    let clean = denoiser.denoise(x.clone() * level.alpha(), level)?;
    let (value, pullback) = vjp(x.clone(), |x| likelihood.log_likelihood(x));
    let measured = pullback.apply(value.ones_like());
    Ok((measured + (clean.clone() - x) * level.snr(), clean))
}

impl<const D: usize, L: Likelihood<D>> Step<D> for PnpUla<L> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let (level, delta) = (mv.from, self.step_size()?);
        let (score, clean) = score(&self.likelihood, context.denoiser, x.clone(), level)?;
        let z = context.noise.normal_like(&x);
        let x = x + score * delta + z * (2.0 * delta).sqrt();
        let x = match self.range {
            Some((min, max)) => x.clamp(min, max),
            None => x,
        };
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.require_staying()?;
        mv.from.require_signal()?;
        Ok(mv.from.require_noise()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.step_size()?;
        self.likelihood.accepts(shape)
    }
}
