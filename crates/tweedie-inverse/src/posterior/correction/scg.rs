//! SCG, stochastic control guidance: of several moves, the one whose estimate fits best.
//!
//! A move of a kernel is drawn several times. Of these candidates, the one with the largest
//! `log p(y | x̂₀(x_s))` is the next state. Nothing is differentiated, neither the operator nor the
//! network.
//!
//! # Reference
//! Huang et al. 2024, "Symbolic Music Generation with Non-Differentiable Rule Guided Diffusion",
//! algorithm 1, arXiv:2402.14285.

use crate::measurement::Likelihood;
use burn::tensor::{Tensor, TensorData};
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

    /// Sets the number of candidates; each is one evaluation.
    ///
    /// # Errors
    /// [`ParameterError`] if `candidates` is 0.
    pub fn with_candidates(self, candidates: usize) -> Result<Self, ParameterError> {
        let candidates = ParameterError::require_count("the number of candidates", candidates)?;
        Ok(Self { candidates, ..self })
    }
}

/// The estimate of the state, which the choice has computed.
#[derive(Clone, Debug)]
pub struct Estimate<const D: usize>(Option<Tensor<D>>);

impl<const D: usize> Default for Estimate<D> {
    fn default() -> Self {
        Self(None)
    }
}

impl<const D: usize, K: Kernel, L: Likelihood<D>> Step<D> for Scg<K, L> {
    type Memory = Estimate<D>;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        Estimate(known): &mut Estimate<D>,
    ) -> Result<State<D>, StepError> {
        let clean = match known.take() {
            Some(clean) => clean,
            None => context.denoise(x.clone(), mv.from)?,
        };
        let transition = self.kernel.transition(mv.from, mv.to)?;
        if transition.noise == 0.0 || mv.to.sigma() == 0.0 {
            let next = transition.advance(mv, x, clean.clone(), &mut *context.noise);
            return Ok(State::new(mv.to, next, Some(clean)));
        }
        let (count, batch) = (self.candidates, x.dims()[0]);
        let mean = x * transition.state + clean.clone() * transition.clean;
        let drawn = (0..count).map(|_| {
            let z = context.noise.normal_like(&mean);
            mean.clone() + z * transition.noise
        });
        let moved = Tensor::cat(drawn.collect(), 0);
        let estimates = context.denoise(moved.clone(), mv.to)?;
        let logs = (0..count).map(|i| {
            let estimate = estimates.clone().narrow(0, i * batch, batch);
            let log = self.likelihood.log_likelihood(estimate).into_data();
            log.iter::<f64>().collect::<Vec<_>>()
        });
        let logs: Vec<Vec<f64>> = logs.collect();
        let best = (0..batch).map(|sample| {
            let fits = (0..count).max_by(|a, b| logs[*a][sample].total_cmp(&logs[*b][sample]));
            (fits.unwrap_or(0) * batch + sample) as i32
        });
        let best = TensorData::new(best.collect::<Vec<_>>(), [batch]);
        let best = Tensor::from_data(best, &moved.device());
        *known = Some(estimates.select(0, best.clone()));
        Ok(State::new(mv.to, moved.select(0, best), Some(clean)))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.kernel.transition(mv.from, mv.to)?;
        Ok(())
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.likelihood.accepts(shape)
    }
}
