//! Denoisers that restrict an estimate to the range of the data.
//!
//! # Reference
//! Ho et al. 2020 (static clip); Saharia et al. 2022, "Imagen", section 2.3 (dynamic),
//! arXiv:2205.11487.

use crate::{DenoiseError, Denoiser, InputError, Posterior, per_sample_sum, shape::rows};
use burn::tensor::Tensor;
use tweedie_math::{Level, ParameterError};

/// A denoiser whose estimates are clamped to `[min, max]`.
#[derive(Clone, Copy, Debug)]
pub struct StaticClip<M> {
    denoiser: M,
    min: f64,
    max: f64,
}

impl<M> StaticClip<M> {
    /// Returns a denoiser that clamps the estimates of `denoiser` to `[min, max]`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `min < max`.
    pub fn new(denoiser: M, min: f64, max: f64) -> Result<Self, ParameterError> {
        ParameterError::require(!min.is_nan(), "the lower bound", "a number", min)?;
        ParameterError::require(max > min, "the upper bound", "above the lower one", max)?;
        Ok(Self { denoiser, min, max })
    }
}

impl<const D: usize, M: Denoiser<D>> Denoiser<D> for StaticClip<M> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let clean = self.denoiser.denoise(x, level)?;
        Ok(clean.clamp(self.min, self.max))
    }

    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        let posterior = self.denoiser.estimate(x, level)?;
        Ok(Posterior {
            clean: posterior.clean.clamp(self.min, self.max),
            ..posterior
        })
    }

    fn supports(&self, level: Level) -> bool {
        self.denoiser.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.denoiser.accepts(shape)
    }
}

/// A denoiser with Imagen's dynamic thresholding of its estimates.
///
/// Each sample is clamped to `[−s, s]` and divided by `s`. The threshold `s` is the `quantile` of
/// the sample's magnitudes, clamped to `[1, limit]`.
#[derive(Clone, Copy, Debug)]
pub struct DynamicThreshold<M> {
    denoiser: M,
    quantile: f64,
    limit: f64,
}

impl<M> DynamicThreshold<M> {
    /// Returns the denoiser with the quantile 0.995, as in Imagen, and no limit.
    pub fn new(denoiser: M) -> Self {
        Self {
            denoiser,
            quantile: 0.995,
            limit: f64::INFINITY,
        }
    }

    /// Sets the quantile.
    ///
    /// # Errors
    /// [`ParameterError`] unless `quantile` is in `[0, 1]`.
    pub fn with_quantile(self, quantile: f64) -> Result<Self, ParameterError> {
        let quantile = ParameterError::require_fraction("the quantile", quantile)?;
        Ok(Self { quantile, ..self })
    }

    /// Sets the largest threshold; 1 gives a static clip to `[−1, 1]`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `limit` is at least 1.
    pub fn with_limit(self, limit: f64) -> Result<Self, ParameterError> {
        let legal = limit >= 1.0;
        let limit = ParameterError::require(legal, "the largest threshold", "at least 1", limit)?;
        Ok(Self { limit, ..self })
    }

    fn threshold<const D: usize>(&self, clean: Tensor<D>) -> Tensor<D> {
        let mut shape = [1; D];
        shape[0] = clean.dims()[0];
        let threshold = magnitude_quantile(clean.clone(), self.quantile)
            .clamp(1.0, self.limit.min(f64::from(f32::MAX)))
            .reshape(shape);
        // Dividing first allows a clamp to constant bounds.
        (clean / threshold).clamp(-1.0, 1.0)
    }
}

impl<const D: usize, M: Denoiser<D>> Denoiser<D> for DynamicThreshold<M> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        Ok(self.threshold(self.denoiser.denoise(x, level)?))
    }

    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        let posterior = self.denoiser.estimate(x, level)?;
        Ok(Posterior {
            clean: self.threshold(posterior.clean),
            ..posterior
        })
    }

    fn supports(&self, level: Level) -> bool {
        self.denoiser.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.denoiser.accepts(shape)
    }
}

/// Returns the quantile of `|x|` per sample, with linear interpolation: `[batch]`.
///
/// # Panics
/// If a sample has no values.
fn magnitude_quantile<const D: usize>(x: Tensor<D>, quantile: f64) -> Tensor<1> {
    let batch = x.dims()[0];
    let sorted = rows(x).abs().sort(1);
    let last = sorted.dims()[1].saturating_sub(1);
    let place = quantile.clamp(0.0, 1.0) * last as f64;
    let low = place.floor() as usize;
    let high = (low + 1).min(last);
    let at = |i: usize| per_sample_sum(sorted.clone().slice([0..batch, i..i + 1]));
    at(low) * (1.0 - place.fract()) + at(high) * place.fract()
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
    fn each_sample_has_its_own_threshold() {
        let model = DynamicThreshold::new(from_fn(|x: Tensor<2>, _| x)).with_quantile(0.75);
        let model = model.expect("a quantile");
        let x = Tensor::from_floats(
            [[0.5, -0.25, 0.5, 0.1, 0.2], [4.0, -8.0, 2.0, 1.0, 0.0]],
            &Device::flex(),
        );
        let y = model
            .denoise(x, Level::CLEAN)
            .expect("an estimate")
            .into_data();
        // Quantiles 0.5 (raised to 1) and 4.
        let expected = [0.5, -0.25, 0.5, 0.1, 0.2, 1.0, -1.0, 0.5, 0.25, 0.0];
        assert_eq!(y.iter::<f32>().collect::<Vec<_>>(), expected);
        let limited = DynamicThreshold::new(from_fn(|x: Tensor<2>, _| x)).with_limit(1.0);
        let limited = limited.expect("a limit");
        let x = Tensor::from_floats([[3.0, -0.5]], &Device::flex());
        let y = limited
            .denoise(x, Level::CLEAN)
            .expect("an estimate")
            .into_data();
        assert_eq!(y.iter::<f32>().collect::<Vec<_>>(), [1.0, -0.5]);
    }
}
