//! The transformer of latent diffusion: pixels attend to each other and to a context.
//!
//! A block maps tokens `h` and a context `c` by `h ← h + A₁(ln h, ln h)`, `h ← h + A₂(ln h, c)`,
//! `h ← h + F(ln h)` with `F(h) = W₂ (u·gelu(g))`, `[u, g] = W₁ h`. A group normalisation and a
//! linear map precede the blocks; a linear map and a skip connection follow them.
//!
//! # Reference
//! Rombach et al. 2022, section 3.3, arXiv:2112.10752; gated feed-forward: Shazeer 2020,
//! arXiv:2002.05202.

use crate::attention::{Attention, pixels, tokens};
use crate::norm::{group_norm, norm_alone};
use crate::{Activation, Context};
use burn::module::Module;
use burn::nn::{GroupNorm, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// Transformer blocks on the pixels of a feature map, with cross-attention to a context.
#[derive(Module, Debug)]
pub struct SpatialTransformer {
    pub(crate) norm: GroupNorm,
    pub(crate) proj_in: Linear,
    pub(crate) transformer_blocks: Vec<TransformerBlock>,
    pub(crate) proj_out: Linear,
}

/// Self-attention, cross-attention and a gated feed-forward layer.
#[derive(Module, Debug)]
pub struct TransformerBlock {
    norm1: LayerNorm,
    pub(crate) attn1: Attention,
    norm2: LayerNorm,
    pub(crate) attn2: Attention,
    norm3: LayerNorm,
    pub(crate) ff: GatedFeedForward,
}

#[derive(Module, Debug)]
pub(crate) struct GatedFeedForward {
    pub(crate) proj: Linear,
    pub(crate) out: Linear,
}

impl SpatialTransformer {
    /// Creates `layers` blocks on `channels` channels, with a context of `context` features.
    ///
    /// Both `groups` and `heads` have to divide `channels`.
    #[must_use]
    pub fn new(
        channels: usize,
        groups: usize,
        heads: usize,
        context: usize,
        layers: usize,
        device: &Device,
    ) -> Self {
        let norm = || LayerNormConfig::new(channels).init(device);
        let block = |_| TransformerBlock {
            norm1: norm(),
            attn1: Attention::new(channels, channels, heads, false, device),
            norm2: norm(),
            attn2: Attention::new(channels, context, heads, false, device),
            norm3: norm(),
            ff: GatedFeedForward {
                proj: LinearConfig::new(channels, 8 * channels).init(device),
                out: LinearConfig::new(4 * channels, channels).init(device),
            },
        };
        Self {
            norm: group_norm(groups, channels, 1e-6, device),
            proj_in: LinearConfig::new(channels, channels).init(device),
            transformer_blocks: (0..layers).map(block).collect(),
            proj_out: LinearConfig::new(channels, channels).init(device),
        }
    }

    /// Maps `[batch, channels, h, w]` to the same shape.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>, context: &Context) -> Tensor<4> {
        let size = x.dims();
        let mut h = self
            .proj_in
            .forward(tokens(norm_alone(&self.norm, x.clone())));
        for block in &self.transformer_blocks {
            h = block.forward(h, context);
        }
        x + pixels(self.proj_out.forward(h), size)
    }
}

impl TransformerBlock {
    fn forward(&self, h: Tensor<3>, context: &Context) -> Tensor<3> {
        let rows = self.norm1.forward(h.clone());
        let h = h + self.attn1.forward(rows.clone(), rows, None);
        let rows = self.norm2.forward(h.clone());
        let bias = context.bias.as_ref();
        let h = h + self.attn2.forward(rows, context.tokens.clone(), bias);
        h.clone() + self.ff.forward(self.norm3.forward(h))
    }
}

impl GatedFeedForward {
    fn forward(&self, h: Tensor<3>) -> Tensor<3> {
        let both = self.proj.forward(h);
        let width = both.dims()[2] / 2;
        let (value, gate) = (
            both.clone().narrow(2, 0, width),
            both.narrow(2, width, width),
        );
        self.out.forward(value * Activation::Gelu.forward(gate))
    }
}
