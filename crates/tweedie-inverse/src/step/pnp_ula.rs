//! PnP-ULA: Langevin dynamics of the posterior, with a denoiser as the prior's score,
//! `x ← x + δ (∇ log p(y | x) + (D(x) − x)/σ²) + √(2δ) z`.
//!
//! By Tweedie's formula `(D(x) − x)/σ²` is the score of the prior blurred by σ, so that the chain
//! explores `p(y | x) p_σ(x)`, up to a bias of the order of δ. The state is the image itself; stay at
//! the level of the denoiser ([`Path::staying`](tweedie_math::Path::staying)).
//!
//! # Reference
//! Laumont et al. 2022, "Bayesian Imaging Using Plug & Play Priors: When Langevin Meets Tweedie",
//! arXiv:2103.04715.

use crate::Likelihood;
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError, Noise, vjp};
use tweedie_math::Move;
use tweedie_samplers::{State, Step};

/// One move of PnP-ULA, for any likelihood and any denoiser.
#[derive(Clone, Debug)]
pub struct PnpUla<L> {
    likelihood: L,
    delta: f64,
    range: Option<(f64, f64)>,
}

impl<L> PnpUla<L> {
    /// With step size `delta`, which has to be below `2/(L + 1/σ²)` for `L = ‖A‖²/σ_y²`.
    pub fn new(likelihood: L, delta: f64) -> Self {
        Self {
            likelihood,
            delta,
            range: None,
        }
    }

    /// Keeps the state within a box, as the projected variant of the paper does.
    #[must_use]
    pub fn with_range(self, min: f64, max: f64) -> Self {
        Self {
            range: Some((min, max)),
            ..self
        }
    }
}

impl<const D: usize, L: Likelihood<D>> Step<D> for PnpUla<L> {
    type Memory = ();

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        let level = mv.from;
        let clean = denoiser.denoise(x.clone() * level.alpha(), level);
        let (value, pullback) = vjp(x.clone(), |x| self.likelihood.log_likelihood(x));
        let score = pullback.apply(value.ones_like());
        let prior = (clean.clone() - x.clone()) * level.snr();
        let z = noise.normal_like(&x);
        let x = x + (score + prior) * self.delta + z * (2.0 * self.delta).sqrt();
        let x = match self.range {
            Some((min, max)) => x.clamp(min, max),
            None => x,
        };
        State::new(mv.to, x, Some(clean))
    }

    fn supports(&self, mv: Move) -> bool {
        mv.from == mv.to && mv.from.alpha() > 0.0 && mv.from.sigma() > 0.0
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        InputError::unless_positive("the step size", self.delta)?;
        if let Some((min, max)) = self.range {
            let expected = "above the lower bound";
            InputError::unless(min < max, "the upper bound", expected, max)?;
        }
        self.likelihood.accepts(shape)
    }
}
