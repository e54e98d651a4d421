//! A denoiser from single noisy or incomplete measurements: some measured values are hidden, and
//! predicted from the others.
//!
//! If the noise of each value is independent of the others', the value itself is an unbiased target
//! for an estimate that has not seen it. The minimiser of the loss on the hidden values is their
//! conditional mean given the kept ones.
//!
//! # Reference
//! Batson & Royer 2019, "Noise2Self: Blind Denoising by Self-Supervision", proposition 1,
//! arXiv:1901.11365; Yaman et al. 2020 (SSDU: measured Fourier coefficients); Daras et al. 2023
//! (Ambient Diffusion), arXiv:2305.19256.

use crate::noise2noise::halves;
use crate::recorrupted::{estimate, noisy_level};
use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use burn::module::Module;
use serde::{Deserialize, Serialize};
use tweedie_core::{Denoiser, InputError, per_sample_sum};
use tweedie_math::ParameterError;

/// Splitting, for measurements of single values, complete or not.
///
/// The first half of an example's channels (dimension 1) are the measured values, the second half
/// is 1 where a value was measured and 0 elsewhere. Each measured value is hidden with a
/// probability: the model sees 0 in its place. The loss of an example is the mean over its hidden
/// values.
///
/// ```
/// use tweedie_train::Splitting;
///
/// assert_eq!(Splitting::new(0.0).with_hidden(0.3).hidden, 0.3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Splitting {
    /// The noise that the model is told, at least 0.
    pub sigma: f64,
    /// The probability with which a value is hidden, above 0 and below 1; default ½.
    pub hidden: f64,
}

impl Splitting {
    /// The objective for values with noise of standard deviation `sigma`.
    #[must_use]
    pub fn new(sigma: f64) -> Self {
        Self { sigma, hidden: 0.5 }
    }

    /// Sets the probability with which a value is hidden.
    #[must_use]
    pub fn with_hidden(self, hidden: f64) -> Self {
        Self { hidden, ..self }
    }
}

impl<M> Objective<M> for Splitting {
    /// # Errors
    /// [`TrainError::Parameter`] for a parameter outside its range.
    fn check(&self, _: &M) -> Result<(), TrainError> {
        noisy_level(self.sigma)?;
        let legal = self.hidden > 0.0 && self.hidden < 1.0;
        let (name, expected) = ("the probability of hiding", "above 0 and below 1");
        ParameterError::require(legal, name, expected, self.hidden)?;
        Ok(())
    }
}

impl<const D: usize, M: Module + Denoiser<D>> Loss<M, D> for Splitting {
    fn losses(
        &self,
        model: &M,
        Batch { clean: both, .. }: Batch<D>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let [values, measured] = halves(both)?;
        // What was not measured may be NaN.
        let values = values.mask_fill(measured.clone().equal_elem(0.0), 0.0);
        model.accepts(values.dims())?;
        // A normal value is below this threshold with the probability of hiding.
        let z = draws.normal_like(&values);
        let uniform = (z / 2.0_f64.sqrt()).erf() * 0.5 + 0.5;
        let hidden = uniform.lower_elem(self.hidden).float().cast(values.dtype());
        let hidden = hidden * measured.clone();
        let seen = values.clone() * (measured - hidden.clone());
        let error = (estimate(model, seen, noisy_level(self.sigma)?)? - values) * hidden.clone();
        let count = per_sample_sum(hidden).clamp_min(1.0);
        Ok(Losses::new(per_sample_sum(error.square()) / count))
    }
}
