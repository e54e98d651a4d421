//! The ancestral form of a deterministic method: move further down, then add fresh noise.
//!
//! With DDIM's fresh noise `σ̃ = η (σ_s/σ_t) √(σ_t² − (α_t/α_s)² σ_s²)`, the method moves to the level
//! `(α_s, √(σ_s² − σ̃²))` and `σ̃ z` brings the state up to `(α_s, σ_s)`. Around DDIM this is "Euler
//! ancestral", around [`DpmSolver::second`](crate::DpmSolver::second) it is "DPM++ 2S ancestral".
//!
//! Both parts are exact in law but for the method's own error, so that the weak order is the method's.
//! Fresh noise ends what a multistep method could remember: inside, it makes first moves only.
//!
//! # Reference
//! Song, Meng & Ermon 2021, eq. 16, arXiv:2010.02502; Crowson 2022, k-diffusion,
//! `sample_dpmpp_2s_ancestral`.

use crate::multistep::add_noise;
use crate::{State, Step};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError, Noise};
use tweedie_math::{Ddim, Kernel, Level, Move};

/// `step` to a lower level, then fresh noise up to the one asked for.
///
/// ```
/// use tweedie_math::multistep::Variable;
/// use tweedie_math::{Path, Span, VariancePreserving};
/// use tweedie_samplers::{DpmSolver, FreshNoise, Sampler};
///
/// let path = Path::karras(VariancePreserving::default(), Span::default(), 25, 7.0)?;
/// let sampler = Sampler::new(FreshNoise::new(DpmSolver::second(Variable::Clean)), path.then_clean());
/// # Ok::<(), tweedie_math::PathError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FreshNoise<S> {
    step: S,
    eta: f64,
}

impl<S> FreshNoise<S> {
    /// The noise of DDPM, η = 1.
    pub fn new(step: S) -> Self {
        Self { step, eta: 1.0 }
    }

    /// η times that noise, as a standard deviation: 0 gives `step` itself.
    #[must_use]
    pub fn with_eta(self, eta: f64) -> Self {
        Self { eta, ..self }
    }

    /// The lower level, and the noise from there up.
    fn split(&self, mv: Move) -> Option<(Level, f64)> {
        let ddim = Ddim::with_eta(self.eta).transition(mv.from, mv.to);
        let left = ((mv.to.sigma() - ddim.noise) * (mv.to.sigma() + ddim.noise)).sqrt();
        let down = Level::new(mv.to.alpha(), left).ok()?;
        ddim.is_valid().then_some((down, ddim.noise))
    }
}

impl<const D: usize, S: Step<D>> Step<D> for FreshNoise<S> {
    type Memory = ();

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        // Not a number where `supports` says no.
        let (down, fresh) = self.split(mv).unwrap_or((mv.to, f64::NAN));
        let lower = Move {
            from: mv.from,
            to: down,
        };
        let mut memory = S::Memory::default();
        let moved = self.step.step(denoiser, x, lower, noise, &mut memory);
        State {
            level: mv.to,
            x: add_noise(moved.x, fresh, mv, noise),
            ..moved
        }
    }

    fn supports(&self, mv: Move) -> bool {
        let lower = |(to, _)| self.step.supports(Move { from: mv.from, to });
        self.split(mv).is_some_and(lower)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.step.accepts(shape)
    }

    /// That of a one-step method.
    fn order(&self) -> usize {
        self.step.order()
    }
}
