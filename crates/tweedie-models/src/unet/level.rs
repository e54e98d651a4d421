//! One resolution of a U-Net.

use crate::Heads;
use serde::{Deserialize, Serialize};

/// The attention after each residual block of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Attend {
    /// No attention.
    #[default]
    Nothing,
    /// Attention between pixels.
    Pixels,
    /// Transformer blocks, with attention between pixels and to the context.
    Context {
        /// Number of transformer blocks.
        layers: usize,
    },
}

/// How a level is resampled to the next coarser or finer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resampling {
    /// By a convolution (DDPM).
    #[default]
    Convolution,
    /// By a residual block (ADM, "BigGAN up/down").
    Residual,
    /// By a residual block with FIR filters, and a pyramid of the image itself (NCSN++).
    ///
    /// The sums of the blocks are divided by `√2`, and the number of groups is a quarter of the
    /// channels, at most 32. On the up path, attention follows only the last block.
    Pyramid,
    /// Like `Pyramid`, but with mean and nearest-neighbour filters, and without the image (DDPM++).
    Rescaled,
}

impl Resampling {
    /// Whether the blocks are those of NCSN++ and DDPM++.
    pub(crate) fn rescales(self) -> bool {
        matches!(self, Self::Pyramid | Self::Rescaled)
    }
}

/// One resolution of a U-Net: its channels, attention and resampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UnetLevel {
    /// Channels.
    pub channels: usize,
    /// The attention after the blocks on the down path.
    #[serde(default)]
    pub down: Attend,
    /// The attention after the blocks on the up path.
    #[serde(default)]
    pub up: Attend,
    /// Attention heads; those of the last level also apply to the middle.
    #[serde(default = "one")]
    pub heads: Heads,
    /// The downsampling to the next coarser level.
    #[serde(default)]
    pub shrink: Resampling,
    /// The upsampling to the next finer level.
    #[serde(default)]
    pub grow: Resampling,
}

fn one() -> Heads {
    Heads::Count(1)
}

impl UnetLevel {
    /// Creates a level without attention, resampled by convolutions.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        Self {
            channels,
            down: Attend::Nothing,
            up: Attend::Nothing,
            heads: one(),
            shrink: Resampling::Convolution,
            grow: Resampling::Convolution,
        }
    }

    /// Sets the attention on both paths.
    #[must_use]
    pub fn with_attention(self, attend: Attend) -> Self {
        Self {
            down: attend,
            up: attend,
            ..self
        }
    }

    /// Sets the attention heads; the default is one head.
    #[must_use]
    pub fn with_heads(self, heads: Heads) -> Self {
        Self { heads, ..self }
    }

    /// Sets the resampling to the next coarser and the next finer level.
    #[must_use]
    pub fn with_resampling(self, resampling: Resampling) -> Self {
        Self {
            shrink: resampling,
            grow: resampling,
            ..self
        }
    }
}

/// The context of the cross-attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ContextInput {
    /// Features of a token.
    pub features: usize,
}

impl ContextInput {
    /// Tokens of `features` numbers each.
    #[must_use]
    pub fn new(features: usize) -> Self {
        Self { features }
    }
}
