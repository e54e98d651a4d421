//! A denoiser from noisy data alone: noise is added to the example with one sign, and removed from
//! the target with the other.
//!
//! For `y = x + σ n` and `u ~ N(0, I)`, the noises of `z₁ = y + τ σ u` and `z₂ = y − σ u/τ` are
//! independent. So `E ‖D(z₁) − z₂‖² = E ‖D(z₁) − x‖² + σ² (1 + 1/τ²) d`: its minimiser is the
//! conditional mean of the clean data at the level `σ √(1 + τ²)`.
//!
//! # Reference
//! Pang, Zheng, Quan & Ji 2021, "Recorrupted-to-recorrupted: unsupervised deep learning for image
//! denoising", CVPR, theorem 1.

use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::{DenoiseError, Denoiser, InputError, per_sample_sum};
use tweedie_math::{Level, ParameterError};

/// Recorrupted-to-recorrupted, for examples with Gaussian noise of a known deviation.
///
/// The examples are the noisy data. The model learns to denoise at [`level`](Self::level), a little
/// above theirs. The loss of an example is the mean over its values.
///
/// ```
/// use tweedie_train::Recorrupted;
///
/// let objective = Recorrupted::new(0.1).with_tau(0.5);
/// assert!((objective.level()?.sigma() - 0.1 * 1.25_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), tweedie_math::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Recorrupted {
    /// The standard deviation `σ` of the examples' noise, above 0.
    pub sigma: f64,
    /// `τ`, above 0; default ½. A small one trains nearer to the examples' level, with a noisier
    /// target.
    pub tau: f64,
}

impl Recorrupted {
    /// The objective for examples with noise of standard deviation `sigma`.
    #[must_use]
    pub fn new(sigma: f64) -> Self {
        Self { sigma, tau: 0.5 }
    }

    /// Sets `τ`.
    #[must_use]
    pub fn with_tau(self, tau: f64) -> Self {
        Self { tau, ..self }
    }

    /// The level that is learned: `x + σ √(1 + τ²) n`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `σ` and `τ` are finite and above 0.
    pub fn level(&self) -> Result<Level, ParameterError> {
        let sigma = ParameterError::require_positive("the examples' noise", self.sigma)?;
        let tau = ParameterError::require_positive("τ", self.tau)?;
        noisy_level(sigma * tau.hypot(1.0))
    }
}

impl<M> Objective<M> for Recorrupted {
    /// # Errors
    /// [`TrainError::Parameter`] for a parameter outside its range.
    fn check(&self, _: &M) -> Result<(), TrainError> {
        self.level()?;
        Ok(())
    }
}

impl<const D: usize, M: Module + Denoiser<D>> Loss<M, D> for Recorrupted {
    fn losses(
        &self,
        model: &M,
        Batch { clean: noisy, .. }: Batch<D>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let shape = noisy.dims();
        model.accepts(shape)?;
        let u = draws.normal_like(&noisy) * self.sigma;
        let input = noisy.clone() + u.clone() * self.tau;
        let target = noisy - u / self.tau;
        let error = estimate(model, input, self.level()?)? - target;
        let values = shape[1..].iter().product::<usize>() as f64;
        Ok(Losses::new(per_sample_sum(error.square()) / values))
    }
}

/// The level `x + σ n`.
pub(crate) fn noisy_level(sigma: f64) -> Result<Level, ParameterError> {
    Level::variance_exploding(sigma).map_err(|_| ParameterError {
        name: "the noise of the examples",
        expected: "finite and at least 0",
        value: sigma,
    })
}

/// The model's estimate of the clean data.
pub(crate) fn estimate<const D: usize>(
    model: &impl Denoiser<D>,
    x: Tensor<D>,
    level: Level,
) -> Result<Tensor<D>, InputError> {
    let shape = x.dims();
    let clean = model.denoise(x, level).and_then(|clean| {
        DenoiseError::unless_shape("the estimate", &clean.dims(), &shape)?;
        Ok(clean)
    });
    clean.map_err(|error| match error {
        DenoiseError::Input(error) => error,
        other => InputError::Refused(other.to_string()),
    })
}
