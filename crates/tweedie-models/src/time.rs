//! How a network is told the level: sinusoids of one number, then two linear layers.
//!
//! `γ(c) = [sin(c ω_k), cos(c ω_k)]`, `ω_k = 10000^{−k/(n−1)}` for `k = 0 … n − 1`, `n = dim/2`.
//!
//! # Reference
//! Vaswani et al. 2017, section 3.5, arXiv:1706.03762; Ho et al. 2020, appendix B,
//! arXiv:2006.11239.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData, activation::silu};

/// Sinusoids of one number per sample, through two linear layers with SiLU between.
#[derive(Module, Debug)]
pub struct TimeEmbedding {
    first: Linear,
    second: Linear,
    width: usize,
    scale: f64,
}

impl TimeEmbedding {
    /// An embedding of `features` numbers from about `width` sinusoids, as many sines as cosines. The condition is multiplied by
    /// `scale` first: the frequencies suit numbers from 0 to 1000.
    #[must_use]
    pub fn new(width: usize, features: usize, scale: f64, device: &Device) -> Self {
        let width = 2 * (width / 2).max(1);
        Self {
            first: LinearConfig::new(width, features).init(device),
            second: LinearConfig::new(features, features).init(device),
            width,
            scale,
        }
    }

    /// `[batch]` to `[batch, features]`.
    #[must_use]
    pub fn forward(&self, condition: Tensor<1>) -> Tensor<2> {
        let waves = sinusoids(condition * self.scale, self.width);
        self.second.forward(silu(self.first.forward(waves)))
    }
}

/// `[batch]` to `[batch, width]`: sines, then cosines.
fn sinusoids(condition: Tensor<1>, width: usize) -> Tensor<2> {
    let half = width / 2;
    let gap = half.saturating_sub(1).max(1) as f64;
    let frequencies: Vec<f64> = (0..half)
        .map(|k| (-(10_000.0_f64.ln()) * k as f64 / gap).exp())
        .collect();
    let frequencies = TensorData::new(frequencies, [1, half]);
    let options = (&condition.device(), condition.dtype());
    let angles = condition.unsqueeze_dim::<2>(1) * Tensor::from_data(frequencies, options);
    Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;

    #[test]
    fn the_first_wave_has_period_two_pi_and_the_last_is_ten_thousand_times_slower() {
        let c = Tensor::from_floats([0.0, 1.5], &Device::flex());
        let waves: Vec<f32> = sinusoids(c, 6).into_data().iter::<f32>().collect();
        let expected = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        assert_eq!(waves[..6], expected);
        for (k, frequency) in [1.0_f64, 0.01, 0.0001].into_iter().enumerate() {
            assert!((f64::from(waves[6 + k]) - (1.5 * frequency).sin()).abs() < 1e-6);
            assert!((f64::from(waves[9 + k]) - (1.5 * frequency).cos()).abs() < 1e-6);
        }
    }
}
