//! Plug-and-play ADMM and Douglas–Rachford splitting: both terms in turn, with a dual variable.
//!
//! With the proximal operator of the data term, `P(v) = argmin ‖y − A x‖²/(2σ_y²) +
//! ‖x − v‖²/(2τ)`, and the denoiser `D`,
//!
//! * ADMM: `z ← P(x − u)`, `x ← D(z + u)`, `u ← u + z − x`;
//! * Douglas–Rachford: `z ← P(u)`, `x ← D(2z − u)`, `u ← u + x − z`.
//!
//! The two differ in which term comes first. At a fixed point of either, `x = z` is one of
//! [`PnpGradient`](super::PnpGradient) with the same τ, for any τ: here the data term limits no
//! step size. The default is `τ = σ²/α²` of the denoiser's level. The state is the image itself and
//! starts at `(AᵀA + σ_y²)⁻¹ Aᵀ y`. Use a path that stays at one level
//! ([`LevelPath::staying`](tweedie_math::LevelPath::staying)).
//!
//! # Reference
//! Venkatakrishnan, Bouman & Wohlberg 2013, "Plug-and-Play Priors for Model Based Reconstruction";
//! Hurault et al. 2022, algorithms 2 and 3, arXiv:2201.13256.

use crate::measurement::{LinearGaussian, accepts_linear};
use crate::posterior::{proximal_step, start_at_least_squares};
use burn::tensor::{Device, Tensor};
use tweedie_core::{InputError, Noise};
use tweedie_math::{Level, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// Which splitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Splitting {
    Admm,
    DouglasRachford,
}

/// PnP-ADMM or PnP-DRS: a point estimate for linear operators and Gaussian noise, with any
/// denoiser.
#[derive(Clone, Debug)]
pub struct PnpAdmm<P> {
    problem: P,
    splitting: Splitting,
    tau: Option<f64>,
}

impl<P> PnpAdmm<P> {
    /// Creates ADMM with τ of the denoiser's level.
    pub fn new(problem: P) -> Self {
        Self {
            problem,
            splitting: Splitting::Admm,
            tau: None,
        }
    }

    /// Creates Douglas–Rachford splitting with τ of the denoiser's level.
    pub fn douglas_rachford(problem: P) -> Self {
        Self {
            splitting: Splitting::DouglasRachford,
            ..Self::new(problem)
        }
    }

    /// Sets τ: the variance of the noise that `D` removes divided by the weight of the prior.
    ///
    /// # Errors
    /// [`ParameterError`] unless τ is finite and above 0.
    pub fn with_step_size(self, tau: f64) -> Result<Self, ParameterError> {
        let tau = Some(ParameterError::require_positive("τ", tau)?);
        Ok(Self { tau, ..self })
    }
}

/// The dual variable.
#[derive(Clone, Debug)]
pub struct Dual<const D: usize>(Option<Tensor<D>>);

impl<const D: usize> Default for Dual<D> {
    fn default() -> Self {
        Self(None)
    }
}

impl<const D: usize, P: LinearGaussian<D>> Step<D> for PnpAdmm<P> {
    type Memory = Dual<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        Dual(dual): &mut Dual<D>,
    ) -> Result<State<D>, StepError> {
        let tau = self.tau.unwrap_or_else(|| mv.from.snr().recip());
        let shift = self.problem.sigma().powi(2) / tau;
        let denoise = |v: Tensor<D>| context.denoise(v * mv.from.alpha(), mv.from);
        let (u, clean) = match self.splitting {
            Splitting::Admm => {
                let u = dual.take().unwrap_or_else(|| x.zeros_like());
                let z = proximal_step(&self.problem, x - u.clone(), shift)?;
                let raised = z + u;
                let clean = denoise(raised.clone())?;
                (raised - clean.clone(), clean)
            }
            Splitting::DouglasRachford => {
                let u = dual.take().unwrap_or(x);
                let z = proximal_step(&self.problem, u.clone(), shift)?;
                let clean = denoise(z.clone() * 2.0 - u.clone())?;
                (u + clean.clone() - z, clean)
            }
        };
        *dual = Some(u);
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
