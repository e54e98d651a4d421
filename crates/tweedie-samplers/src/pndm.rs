//! PNDM: DDIM's move with the noise estimate of a classical integration method.
//!
//! `φ(x, ε̂, t, s) = (α_s/α_t) x + (σ_s − α_s σ_t/α_t) ε̂` is DDIM's move. The first moves have no
//! earlier estimates, so each computes its own:
//!
//! * [`PndmStart::RungeKutta`], three moves of four evaluations: `e₁` at `t`, `e₂` and `e₃`
//!   half-way in time, `e₄` at `s`, `ε̂ = (e₁ + 2 e₂ + 2 e₃ + e₄)/6`;
//! * [`PndmStart::ImprovedEuler`], one move of two evaluations: `ε̂ = (e₁ + e₂)/2` with `e₂` at `s`
//!   (latent diffusion's "PLMS").
//!
//! Afterwards `ε̂` combines the last four evaluations with the weights of [`Ipndm`]. The order is
//! 2, because these classical weights assume equal steps.
//!
//! # Reference
//! Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models on Manifolds", eq. 9 to 13,
//! arXiv:2202.09778.

use crate::history::History;
use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_math::multistep::{Ipndm, Multistep};
use tweedie_math::{Ddim, Kernel, Level, Move, MoveError, Schedule};

/// How PNDM makes its first moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PndmStart {
    /// Three moves of a pseudo Runge–Kutta method, as published.
    #[default]
    RungeKutta,
    /// One move of a pseudo improved Euler method.
    ImprovedEuler,
}

/// PNDM on a schedule, whose time defines the midpoint of a move.
///
/// [`Ipndm`] needs no schedule and no special first moves.
///
/// ```
/// use tweedie_math::{Chain, LevelPath, Spacing};
/// use tweedie_samplers::{Pndm, Sampler};
///
/// let chain = Chain::linear(1000, 1e-4, 0.02)?;
/// let path = LevelPath::respaced(&chain, Spacing::Leading { offset: 1 }, 50)?;
/// let sampler = Sampler::new(Pndm::new(chain), path);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pndm<S> {
    schedule: S,
    start: PndmStart,
}

impl<S: Schedule> Pndm<S> {
    /// Creates the published method.
    pub fn new(schedule: S) -> Self {
        Self {
            schedule,
            start: PndmStart::RungeKutta,
        }
    }

    /// Sets how the first moves are made.
    #[must_use]
    pub fn with_start(self, start: PndmStart) -> Self {
        Self { start, ..self }
    }

    fn half_way(&self, mv: Move) -> Result<Level, MoveError> {
        let time = |level| {
            let time = self.schedule.time_of(level);
            time.ok_or(MoveError::OffSchedule { level })
        };
        let (t, s) = (time(mv.from)?, time(mv.to)?);
        Ok(self.schedule.level(0.5 * (t + s)))
    }
}

impl<const D: usize, S: Schedule> Step<D> for Pndm<S> {
    type Memory = History<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut History<D>,
    ) -> Result<State<D>, StepError> {
        let method = Ipndm::default();
        let clean = context.denoise(x.clone(), mv.from)?;
        let noise_in = |x: &Tensor<D>, clean: Tensor<D>, level: Level| {
            (x.clone() - clean * level.alpha()) / level.sigma()
        };
        let e1 = noise_in(&x, clean.clone(), mv.from);
        memory.remember(mv.from, e1.clone().into(), method.lookback());
        let look = |x: Tensor<D>, level: Level| {
            let clean = context.denoise(x.clone(), level)?;
            Ok::<_, StepError>(noise_in(&x, clean, level))
        };
        let moved = |noise: &Tensor<D>, to: Level| {
            let ratio = to.alpha() / mv.from.alpha();
            x.clone() * ratio + noise.clone() * (to.sigma() - ratio * mv.from.sigma())
        };
        // At clean data there is no noise left to estimate.
        let ends_clean = mv.to.sigma() == 0.0;
        let x = match (self.start, memory.visited().len(), self.half_way(mv)) {
            (PndmStart::RungeKutta, 1..=3, Ok(middle)) if !ends_clean => {
                let e2 = look(moved(&e1, middle), middle)?;
                let e3 = look(moved(&e2, middle), middle)?;
                let e4 = look(moved(&e3, mv.to), mv.to)?;
                moved(&((e1 + (e2 + e3) * 2.0 + e4) / 6.0), mv.to)
            }
            (PndmStart::ImprovedEuler, 1, _) if !ends_clean => {
                let e2 = look(moved(&e1, mv.to), mv.to)?;
                moved(&((e1 + e2) / 2.0), mv.to)
            }
            _ => {
                let rule = method.combination(memory.visited(), mv.to)?;
                memory.combine(&rule, x)
            }
        };
        Ok(State::new(mv.to, x, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.from.require_noise()?;
        mv.from.require_signal()?;
        Ddim::deterministic().transition(mv.from, mv.to)?;
        // The midpoint needs both ends on the schedule. A last move to clean data uses no midpoint.
        if self.start == PndmStart::RungeKutta && mv.to.sigma() > 0.0 {
            self.half_way(mv)?;
        }
        Ok(())
    }
}

impl<S> Convergence for Pndm<S> {
    fn order(&self) -> usize {
        2
    }
}
