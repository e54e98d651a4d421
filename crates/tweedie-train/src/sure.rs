//! A denoiser from noisy data alone: Stein's unbiased risk estimate.
//!
//! For `y = x + σ n`, `E ‖D(y) − x‖² = E [‖D(y) − y‖² − d σ² + 2 σ² div D(y)]`, in which `x` does
//! not occur. The divergence is estimated along one random direction `b`, by `bᵀ (D(y + h b) −
//! D(y))/h`.
//!
//! # Reference
//! Stein 1981, "Estimation of the mean of a multivariate normal distribution"; Ramani, Blu & Unser
//! 2008, "Monte-Carlo SURE", theorem 2; Soltanayev & Chun 2018, arXiv:1803.01314 (training).

use crate::recorrupted::{estimate, noisy_level};
use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use burn::module::Module;
use serde::{Deserialize, Serialize};
use tweedie_core::{Denoiser, InputError, per_sample_sum};
use tweedie_math::ParameterError;

/// Stein's unbiased risk estimate, for examples with Gaussian noise of a known deviation.
///
/// The examples are the noisy data. The model learns to denoise at their own level. The loss of an
/// example estimates the mean squared error to the clean data, per value; it can be negative.
///
/// ```
/// use tweedie_train::Sure;
///
/// // Noise of a tenth, and differences over a hundredth of it.
/// assert_eq!(Sure::new(0.1), Sure::new(0.1).with_step(0.01));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sure {
    /// The standard deviation `σ` of the examples' noise, above 0.
    pub sigma: f64,
    /// `h`, the step along the random direction in units of `σ`, above 0; default 0.01.
    pub step: f64,
}

impl Sure {
    /// The objective for examples with noise of standard deviation `sigma`.
    #[must_use]
    pub fn new(sigma: f64) -> Self {
        Self { sigma, step: 0.01 }
    }

    /// Sets the step along the random direction.
    #[must_use]
    pub fn with_step(self, step: f64) -> Self {
        Self { step, ..self }
    }
}

impl<M> Objective<M> for Sure {
    /// # Errors
    /// [`TrainError::Parameter`] for a parameter outside its range.
    fn check(&self, _: &M) -> Result<(), TrainError> {
        ParameterError::require_positive("the examples' noise", self.sigma)?;
        ParameterError::require_positive("the step of the divergence", self.step)?;
        Ok(())
    }
}

impl<const D: usize, M: Module + Denoiser<D>> Loss<M, D> for Sure {
    fn losses(
        &self,
        model: &M,
        Batch { clean: noisy, .. }: Batch<D>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let shape = noisy.dims();
        model.accepts(shape)?;
        let level = noisy_level(self.sigma)?;
        let b = draws.normal_like(&noisy);
        let h = self.step * self.sigma;
        let here = estimate(model, noisy.clone(), level)?;
        let there = estimate(model, noisy.clone() + b.clone() * h, level)?;
        let divergence = per_sample_sum((there - here.clone()) * b) / h;
        let fidelity = per_sample_sum((here - noisy).square());
        let values = shape[1..].iter().product::<usize>() as f64;
        let variance = self.sigma * self.sigma;
        let risk = (fidelity + divergence * (2.0 * variance)) / values - variance;
        Ok(Losses::new(risk))
    }
}
