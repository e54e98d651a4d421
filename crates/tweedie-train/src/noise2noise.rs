//! A denoiser from pairs of noisy copies: each is the target of the other.
//!
//! For `y₁ = x + n₁` and `y₂ = x + n₂` with independent noises of mean 0,
//! `E ‖D(y₁) − y₂‖² = E ‖D(y₁) − x‖² + E ‖n₂‖²`: the minimiser is the conditional mean of the clean
//! data, whatever the noise is.
//!
//! # Reference
//! Lehtinen et al. 2018, "Noise2Noise: Learning Image Restoration without Clean Data",
//! arXiv:1803.04189.

use crate::recorrupted::{estimate, noisy_level};
use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use burn::module::Module;
use serde::{Deserialize, Serialize};
use tweedie_core::{Denoiser, InputError, per_sample_sum};

/// Noise2Noise, for pairs of measurements of the same signal.
///
/// An example holds both copies, along dimension 1: the first half of its channels are one copy,
/// the second half the other. Either is the input, by chance. The model learns to denoise at the
/// level `sigma`. The loss of an example is the mean over its values.
///
/// ```
/// use tweedie_train::Noise2Noise;
///
/// assert_eq!(Noise2Noise::new(0.1).sigma, 0.1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Noise2Noise {
    /// The noise that the model is told, at least 0. Its law is that of the examples.
    pub sigma: f64,
}

impl Noise2Noise {
    /// The objective for copies with noise of standard deviation `sigma`.
    #[must_use]
    pub fn new(sigma: f64) -> Self {
        Self { sigma }
    }
}

impl<M> Objective<M> for Noise2Noise {
    /// # Errors
    /// [`TrainError::Parameter`] for a noise outside its range.
    fn check(&self, _: &M) -> Result<(), TrainError> {
        noisy_level(self.sigma)?;
        Ok(())
    }
}

impl<const D: usize, M: Module + Denoiser<D>> Loss<M, D> for Noise2Noise {
    fn losses(
        &self,
        model: &M,
        Batch { clean: both, .. }: Batch<D>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let [first, second] = halves(both)?;
        let shape = first.dims();
        model.accepts(shape)?;
        let swapped: Vec<f64> = draws
            .uniform()
            .iter()
            .map(|u| f64::from(*u < 0.5))
            .collect();
        let swapped = tweedie_core::column(&swapped, &first);
        let off = second.clone() - first.clone();
        let input = first + off.clone() * swapped.clone();
        let target = second - off * swapped;
        let error = estimate(model, input, noisy_level(self.sigma)?)? - target;
        let values = shape[1..].iter().product::<usize>() as f64;
        Ok(Losses::new(per_sample_sum(error.square()) / values))
    }
}

/// The two halves of an example's channels.
pub(crate) fn halves<const D: usize>(
    both: burn::tensor::Tensor<D>,
) -> Result<[burn::tensor::Tensor<D>; 2], InputError> {
    let shape = both.dims();
    if D < 2 || shape[1] == 0 || !shape[1].is_multiple_of(2) {
        return Err(InputError::Shape {
            name: "an example of two halves",
            found: shape.to_vec(),
            expected: "an even number of channels".into(),
        });
    }
    let half = shape[1] / 2;
    Ok([both.clone().narrow(1, 0, half), both.narrow(1, half, half)])
}
