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
use tweedie_core::{Advance, InputError, column};
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
        let (mut next, mut best) = (mean.clone(), vec![f64::NEG_INFINITY; mean.dims()[0]]);
        for _ in 0..self.candidates {
            let z = context.noise.normal_like(&mean);
            let moved = mean.clone() + z * transition.noise;
            let estimate = context.denoise(moved.clone(), mv.to)?;
            let log = self.likelihood.log_likelihood(estimate).into_data();
            let mut chosen = vec![0.0; best.len()];
            for ((best, chosen), log) in best.iter_mut().zip(&mut chosen).zip(log.iter::<f64>()) {
                // A likelihood that is NaN is never the best; the first is, if all are.
                if log > *best || *best == f64::NEG_INFINITY {
                    *best = if log.is_nan() { f64::MIN } else { log };
                    *chosen = 1.0;
                }
            }
            let chosen = column(&chosen, &mean).greater_elem(0.5).expand(mean.dims());
            next = next.mask_where(chosen, moved);
        }
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
