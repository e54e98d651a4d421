//! SCG, stochastic control guidance: of several moves, the one whose estimate fits best.
//!
//! A move of a kernel is drawn several times. Of these candidates, the one with the largest
//! `log p(y | x̂₀(x_s))` is the next state. Nothing is differentiated, neither the operator nor the
//! network.
//!
//! # Reference
//! Huang et al. 2024, "Symbolic Music Generation with Non-Differentiable Rule Guided Diffusion",
//! algorithm 1, arXiv:2402.14285.

use super::twisted_smc::noisy_transition;
use crate::measurement::Likelihood;
use burn::tensor::Tensor;
use tweedie_core::{Advance, InputError};
use tweedie_math::{Kernel, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// SCG around any kernel that adds noise, for any likelihood.
#[derive(Clone, Debug)]
pub struct Scg<K, L> {
    kernel: K,
    likelihood: L,
    candidates: usize,
}

impl<K, L> Scg<K, L> {
    /// Chooses among 8 candidates for each move of `kernel`.
    pub fn new(kernel: K, likelihood: L) -> Self {
        Self {
            kernel,
            likelihood,
            candidates: 8,
        }
    }

    /// Sets the number of candidates; each is one evaluation, and the state is one more.
    ///
    /// # Errors
    /// [`ParameterError`] if `candidates` is 0.
    pub fn with_candidates(self, candidates: usize) -> Result<Self, ParameterError> {
        let candidates = ParameterError::require_count("the number of candidates", candidates)?;
        Ok(Self { candidates, ..self })
    }
}

impl<const D: usize, K: Kernel, L: Likelihood<D>> Step<D> for Scg<K, L> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let clean = context.denoise(x.clone(), mv.from)?;
        let transition = noisy_transition(&self.kernel, mv)?;
        if mv.to.sigma() == 0.0 {
            let next = transition.advance(mv, x, clean.clone(), &mut *context.noise);
            return Ok(State::new(mv.to, next, Some(clean)));
        }
        let mean = x * transition.state + clean.clone() * transition.clean;
        let mut chosen: Option<(Tensor<D>, Tensor<1>)> = None;
        for _ in 0..self.candidates {
            let z = context.noise.normal_like(&mean);
            let moved = mean.clone() + z * transition.noise;
            let estimate = context.denoise(moved.clone(), mv.to)?;
            let log = self.likelihood.log_likelihood(estimate);
            // A likelihood that is NaN is never better than another.
            let nan = log.clone().is_nan();
            let log = log.mask_fill(nan, f64::from(f32::MIN));
            chosen = Some(match chosen {
                None => (moved, log),
                Some((next, best)) => {
                    let better = log.clone().greater(best.clone());
                    let mut rows = [1; D];
                    rows[0] = better.dims()[0];
                    let wide = better.clone().reshape(rows).expand(next.dims());
                    (next.mask_where(wide, moved), best.mask_where(better, log))
                }
            });
        }
        let next = chosen.map_or(mean, |(next, _)| next);
        Ok(State::new(mv.to, next, Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        noisy_transition(&self.kernel, mv)?;
        Ok(())
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.likelihood.accepts(shape)
    }
}
