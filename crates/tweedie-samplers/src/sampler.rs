//! A step and the path it walks.

use crate::{State, Step};
use burn::tensor::{Device, Tensor};
use tweedie_core::{Advance, Denoiser, Noise};
use tweedie_math::{Level, Move, Path, forward, gaussian};

/// A step and the path it walks.
///
/// A move of the path that goes up in noise is a forward one: fresh noise is added, exactly, and
/// the step forgets what it remembered. That is RePaint's time travel, for any step.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler<S> {
    step: S,
    path: Path,
}

/// Why a run cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The denoiser has no estimate at a level on the path.
    #[error(
        "the denoiser gives no clean estimate at α = {}, σ = {}: choose a path that starts later, \
         or a prediction that exists there (velocity, clean)",
        level.alpha(), level.sigma()
    )]
    Denoiser {
        /// The level.
        level: Level,
    },
    /// The step is singular for a move of the path.
    #[error(
        "the step is singular from (α = {}, σ = {}) to (α = {}, σ = {})",
        mv.from.alpha(), mv.from.sigma(), mv.to.alpha(), mv.to.sigma()
    )]
    Step {
        /// The move.
        mv: Move,
    },
}

impl<S> Sampler<S> {
    /// Walks `path` by `step`.
    pub fn new(step: S, path: Path) -> Self {
        Self { step, path }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The step.
    pub fn step(&self) -> &S {
        &self.step
    }

    /// A draw from the prior at the path's first level: `N(0, σ² I)`.
    pub fn start<const D: usize>(
        &self,
        shape: [usize; D],
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Tensor<D> {
        noise.normal(shape, device) * gaussian::prior_std(self.path.start())
    }

    /// Walks the whole path from `x`, the state at its first level, and gives the last state.
    ///
    /// # Errors
    /// [`SampleError`] if the denoiser or the step does not support the path; nothing has been
    /// evaluated then.
    pub fn sample<const D: usize>(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, SampleError>
    where
        S: Step<D>,
    {
        let last = self.trajectory(denoiser, x.clone(), noise)?.last();
        Ok(last.map_or(x, |state| state.x))
    }

    /// The same walk as an iterator over its states: stop early, keep some, show progress, all
    /// with the adaptors of iterators.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn trajectory<'a, const D: usize>(
        &'a self,
        denoiser: &'a dyn Denoiser<D>,
        x: Tensor<D>,
        noise: &'a mut dyn Noise<D>,
    ) -> Result<impl Iterator<Item = State<D>> + 'a, SampleError>
    where
        S: Step<D>,
        S::Memory: 'a,
    {
        self.check(denoiser)?;
        let mut memory = S::Memory::default();
        Ok(self.path.moves().scan(x, move |x, mv| {
            let here = x.clone();
            let state = if mv.is_forward() {
                memory = S::Memory::default();
                let up = forward::conditional(mv.from, mv.to);
                let nothing = here.zeros_like();
                State {
                    level: mv.to,
                    x: up.advance(here, nothing, noise),
                    clean: None,
                }
            } else {
                self.step.step(denoiser, here, mv, noise, &mut memory)
            };
            *x = state.x.clone();
            Some(state)
        }))
    }

    fn check<const D: usize>(&self, denoiser: &dyn Denoiser<D>) -> Result<(), SampleError>
    where
        S: Step<D>,
    {
        for mv in self.path.moves().filter(|mv| !mv.is_forward()) {
            if !denoiser.supports(mv.from) {
                return Err(SampleError::Denoiser { level: mv.from });
            }
            if !self.step.supports(mv) {
                return Err(SampleError::Step { mv });
            }
        }
        Ok(())
    }
}
