//! Self-conditioning: half of the examples show the network its own estimate, the others zeros.
//!
//! # Reference
//! Chen, Zhang & Hinton 2023, section 3.2 and algorithm 1, arXiv:2208.04202.

use crate::score_matching::of_clean;
use crate::{Batch, Draws, Loss, Losses, Objective, ScoreMatching, TrainError};
use burn::module::{Module, ModuleDisplay};
use serde::{Deserialize, Serialize};
use tweedie_core::{InputError, Levels, Network, Preconditioned, WithEstimate};
use tweedie_math::{LossWeight, Schedule, Weighting};

/// [`ScoreMatching`] of a network that sees its last estimate of `x₀`.
///
/// The condition carries the estimate ([`WithEstimate`]). A network on images takes it as further
/// channels, as `UnetConfig` does. The estimate has no gradient. Sample with
/// [`Recall`](tweedie_core::Recall).
///
/// ```
/// use tweedie_math::Cosine;
/// use tweedie_train::{ScoreMatching, SelfConditioning};
///
/// let objective = SelfConditioning(ScoreMatching::new(Cosine::default()));
/// # let _ = objective;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfConditioning<S, W = Weighting>(pub ScoreMatching<S, W>);

impl<N: Module, S: Schedule, W: LossWeight> Objective<Preconditioned<N>>
    for SelfConditioning<S, W>
{
    fn check(&self, model: &Preconditioned<N>) -> Result<(), TrainError> {
        self.0.check(model)
    }
}

impl<const D: usize, N, C, S, W> Loss<Preconditioned<N>, D, C> for SelfConditioning<S, W>
where
    N: Module + ModuleDisplay + Network<D, C>,
    C: WithEstimate<D>,
    S: Schedule,
    W: LossWeight,
{
    fn losses(
        &self,
        model: &Preconditioned<N>,
        Batch { clean, condition }: Batch<D, C>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let objective = &self.0;
        let mut shape = clean.dims();
        let nothing = condition.with_estimate(clean.zeros_like());
        let fits = model.network().accepts(shape, &nothing);
        fits.map_err(InputError::from)?;
        let times = objective.times(draws);
        let noise = objective.noise(&clean, draws);
        shape[1..].fill(1);
        let is_shown = draws.normal(shape, &clean.device()).greater_elem(0.0);
        let levels = times.iter().map(|&t| objective.schedule.level(t));
        let levels = Levels::new(levels.collect());

        let noisy = levels.corrupt(clean.clone(), noise.clone());
        let plain = model.valid();
        let output = plain.predict_with(noisy.clone(), &levels, &nothing);
        of_clean("the network's output", clean.dims(), output.dims())?;
        let estimate = plain.clean_at(noisy, output, &levels).detach();
        let shown = is_shown.float().cast(estimate.dtype());
        let condition = condition.with_estimate(estimate * shown);

        let log_snr = levels.as_slice().iter().map(|level| level.log_snr());
        let log_snr = log_snr.collect();
        let values = objective.each(model, Batch { clean, condition }, &times, noise)?;
        Ok(Losses::new(values).with_log_snr(log_snr))
    }
}
