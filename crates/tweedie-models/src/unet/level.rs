//! One resolution of a U-Net.

use crate::Heads;
use serde::{Deserialize, Serialize};

/// What follows each residual block of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Attend {
    /// Nothing.
    #[default]
    Nothing,
    /// Attention between pixels.
    Pixels,
    /// Transformer layers, with attention between pixels and to the context.
    Context {
        /// How many.
        layers: usize,
    },
}

/// How a level passes to the next coarser one and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resampling {
    /// By a convolution (DDPM).
    #[default]
    Convolution,
    /// By a residual block (ADM, "BigGAN up/down").
    Residual,
    /// By a residual block with FIR filters, beside a pyramid of the image itself (NCSN++): its
    /// blocks are rescaled by `√2` and have a quarter of their channels as groups, and the way up
    /// has attention after the last block alone.
    Pyramid,
    /// The same with plain means and nearest neighbours, and no image beside it (DDPM++).
    Rescaled,
}

impl Resampling {
    /// Whether the blocks are those of NCSN++ and DDPM++.
    pub(crate) fn rescales(self) -> bool {
        matches!(self, Self::Pyramid | Self::Rescaled)
    }
}

/// One resolution: its channels and what its blocks are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UnetLevel {
    /// Channels.
    pub channels: usize,
    /// What follows the blocks on the way down.
    #[serde(default)]
    pub down: Attend,
    /// What follows the blocks on the way up.
    #[serde(default)]
    pub up: Attend,
    /// Heads of the attention, here and, on the last level, in the middle.
    #[serde(default = "one")]
    pub heads: Heads,
    /// The way to the next level.
    #[serde(default)]
    pub shrink: Resampling,
    /// The way back from it.
    #[serde(default)]
    pub grow: Resampling,
}

fn one() -> Heads {
    Heads::Count(1)
}

impl UnetLevel {
    /// A level without attention, which passes on by convolutions.
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

    /// With attention, both ways.
    #[must_use]
    pub fn with_attention(self, attend: Attend) -> Self {
        Self {
            down: attend,
            up: attend,
            ..self
        }
    }

    /// With attention in these heads; without this, one.
    #[must_use]
    pub fn with_heads(self, heads: Heads) -> Self {
        Self { heads, ..self }
    }

    /// With another way to the next level and back.
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
