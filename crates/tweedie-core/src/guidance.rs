//! Classifier-free guidance: `x̂₀ = u + s (c − u)`.
//!
//! # Reference
//! Ho & Salimans 2022, arXiv:2207.12598. Their `w` is `s − 1`: `s = 1` is the conditional model,
//! `s = 0` the unconditional one.

use crate::{DenoiseError, Denoiser, InputError, Posterior};
use burn::tensor::Tensor;
use tweedie_math::{Level, ParameterError};

/// Classifier-free guidance of two denoisers.
///
/// It is linear in the estimate, hence also in the noise and the score. To evaluate both conditions
/// of one network in a single batch, use `Model::guided`.
#[derive(Clone, Copy, Debug)]
pub struct ClassifierFree<C, U> {
    conditional: C,
    unconditional: U,
    scale: f64,
}

impl<C, U> ClassifierFree<C, U> {
    /// Returns the denoiser `unconditional + scale·(conditional − unconditional)`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `scale` is finite.
    pub fn new(conditional: C, unconditional: U, scale: f64) -> Result<Self, ParameterError> {
        let scale = ParameterError::require_finite("the guidance scale", scale)?;
        Ok(Self {
            conditional,
            unconditional,
            scale,
        })
    }
}

impl<const D: usize, C: Denoiser<D>, U: Denoiser<D>> Denoiser<D> for ClassifierFree<C, U> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let u = self.unconditional.denoise(x.clone(), level)?;
        let c = self.conditional.denoise(x, level)?;
        Ok(u.clone() + (c - u) * self.scale)
    }

    /// Returns the guided estimate with the learned variance of the conditional model.
    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        let u = self.unconditional.denoise(x.clone(), level)?;
        let conditional = self.conditional.estimate(x, level)?;
        Ok(Posterior {
            clean: u.clone() + (conditional.clean - u) * self.scale,
            ..conditional
        })
    }

    fn supports(&self, level: Level) -> bool {
        self.conditional.supports(level) && self.unconditional.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.conditional.accepts(shape)?;
        self.unconditional.accepts(shape)
    }
}

#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and this is exact by construction"
)]
mod tests {
    use super::*;
    use crate::from_fn;
    use burn::tensor::Device;

    #[test]
    fn scale_one_is_the_conditional_model() {
        let c = from_fn(|x: Tensor<2>, _| x * 2.0);
        let u = from_fn(|x: Tensor<2>, _| x * -1.0);
        for (scale, expected) in [(0.0, -1.0), (1.0, 2.0), (3.0, 8.0)] {
            let guided = ClassifierFree::new(&c, &u, scale).expect("a scale");
            let x = guided.denoise(Tensor::ones([1, 1], &Device::flex()), Level::PURE_NOISE);
            let x = x.expect("an estimate");
            assert_eq!(x.into_scalar::<f32>(), expected);
        }
    }
}
