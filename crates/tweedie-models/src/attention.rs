//! Self-attention between the pixels of a feature map.
//!
//! `x ↦ x + W_o softmax(q kᵀ/√d) v` with `[q, k, v] = W norm(x)`, `W_o` zero at first.
//!
//! # Reference
//! Ho et al. 2020, appendix B, arXiv:2006.11239; Vaswani et al. 2017, eq. 1, arXiv:1706.03762.

use crate::resblock::norm;
use burn::module::Module;
use burn::nn::{GroupNorm, Initializer, Linear, LinearConfig};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor, module::attention};

/// Multi-head self-attention over the positions of a feature map, beside a skip connection.
#[derive(Module, Debug)]
pub struct SelfAttention {
    norm: GroupNorm,
    qkv: Linear,
    output: Linear,
    heads: usize,
}

impl SelfAttention {
    /// Attention on `channels`, in `heads` heads; both `groups` and `heads` have to divide
    /// `channels`.
    #[must_use]
    pub fn new(channels: usize, groups: usize, heads: usize, device: &Device) -> Self {
        Self {
            norm: norm(groups, channels, device),
            qkv: LinearConfig::new(channels, 3 * channels).init(device),
            output: LinearConfig::new(channels, channels)
                .with_initializer(Initializer::Zeros)
                .init(device),
            heads,
        }
    }

    /// `[batch, channels, h, w]` to the same shape.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let (tokens, head) = (height * width, channels / self.heads);
        let rows = self
            .norm
            .forward(x.clone())
            .reshape([batch, channels, tokens]);
        let qkv = self.qkv.forward(rows.swap_dims(1, 2));
        let part = |i: usize| {
            let part = qkv.clone().narrow(2, i * channels, channels);
            part.reshape([batch, tokens, self.heads, head])
                .swap_dims(1, 2)
        };
        let options = AttentionModuleOptions::default();
        let mixed = attention(part(0), part(1), part(2), None, None, options);
        let rows = mixed.swap_dims(1, 2).reshape([batch, tokens, channels]);
        let update = self.output.forward(rows).swap_dims(1, 2);
        x + update.reshape([batch, channels, height, width])
    }
}
