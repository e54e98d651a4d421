//! The residual block of U-Nets and autoencoders.
//!
//! `x ↦ (skip(x) + conv₂(drop(act(norm₂(conv₁(act(norm₁ x)), e)))))/s`, where `e` is the embedding
//! of level and class. `conv₂` is initialised to zero. A resampling block resizes after the first
//! activation and on the skip connection.
//!
//! # Reference
//! Ho et al. 2020, appendix B, arXiv:2006.11239; scale and shift, and resampling blocks: Dhariwal &
//! Nichol 2021, section 3, arXiv:2105.05233; rescaling by `s = √2`: Song et al. 2021, appendix H,
//! arXiv:2011.13456.

use crate::convolution::{Conv2d, Conv2dConfig, linear};
use crate::norm::{Modulation, group_norm, norm_act};
use crate::{Activation, Filter};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, GroupNorm, Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// How the embedding of level and class is injected into a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Conditioning {
    /// Added as a bias before the second normalisation.
    #[default]
    Shift,
    /// Applied as scale and shift after the second normalisation.
    ScaleShift,
}

/// Whether and how a block resizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockResize {
    /// Keeps height and width.
    #[default]
    Keep,
    /// Halves height and width.
    Halve(Filter),
    /// Doubles height and width.
    Enlarge(Filter),
}

/// Configuration of a [`ResBlock`].
#[derive(Config, Debug)]
#[non_exhaustive]
pub struct ResBlockConfig {
    /// Input channels.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Features of the embedding of level and class; `None` for a block without an embedding.
    pub time: Option<usize>,
    /// Groups of the two normalisations; the first has to divide `input`, the second `output`.
    #[config(default = "[32, 32]")]
    pub groups: [usize; 2],
    /// `ε` of the normalisations, added to the variance.
    #[config(default = 1e-6)]
    pub epsilon: f64,
    /// The nonlinearity.
    #[config(default = "Activation::Silu")]
    pub activation: Activation,
    /// How the embedding is injected.
    #[config(default = "Conditioning::Shift")]
    pub conditioning: Conditioning,
    /// Whether and how the block resizes.
    #[config(default = "BlockResize::Keep")]
    pub resize: BlockResize,
    /// Whether the skip has a 1×1 convolution even if `input` equals `output`.
    #[config(default = false)]
    pub shortcut: bool,
    /// Divisor `s` of the sum.
    #[config(default = 1.0)]
    pub scale: f64,
    /// Dropout probability.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// A residual block: two convolutions with the embedding between them, and a skip connection.
#[derive(Module, Debug)]
pub struct ResBlock {
    pub(crate) norm1: GroupNorm,
    pub(crate) conv1: Conv2d,
    pub(crate) time_emb_proj: Option<Linear>,
    pub(crate) norm2: GroupNorm,
    dropout: Dropout,
    pub(crate) conv2: Conv2d,
    pub(crate) conv_shortcut: Option<Conv2d>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    conditioning: Conditioning,
    #[module(skip)]
    pub(crate) resize: BlockResize,
    scale: f64,
}

impl ResBlockConfig {
    /// Initialises the block on `device`.
    #[must_use]
    pub fn init(&self, device: &Device) -> ResBlock {
        let features = match self.conditioning {
            Conditioning::Shift => self.output,
            Conditioning::ScaleShift => 2 * self.output,
        };
        let shortcut = self.shortcut || self.input != self.output;
        let [first, second] = self.groups;
        ResBlock {
            norm1: group_norm(first, self.input, self.epsilon, device),
            conv1: conv3x3(self.input, self.output).init(device),
            time_emb_proj: self
                .time
                .map(|time| LinearConfig::new(time, features).init(device)),
            norm2: group_norm(second, self.output, self.epsilon, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            conv2: conv3x3(self.output, self.output)
                .with_initializer(Initializer::Zeros)
                .init(device),
            conv_shortcut: shortcut
                .then(|| Conv2dConfig::new([self.input, self.output], [1, 1]).init(device)),
            activation: self.activation,
            conditioning: self.conditioning,
            resize: self.resize,
            scale: self.scale,
        }
    }
}

impl ResBlock {
    /// Maps `[batch, input, h, w]` and `[batch, time]` to `[batch, output, h′, w′]`.
    ///
    /// `time` is the embedding after its nonlinearity, which all blocks share; a block without an
    /// embedding ignores it. If the block enlarges, the output has the height and width `size`, or
    /// twice the input's for `None`.
    #[must_use]
    pub fn forward(
        &self,
        x: Tensor<4>,
        time: Option<&Tensor<2>>,
        size: Option<[usize; 2]>,
    ) -> Tensor<4> {
        let resize = |x: Tensor<4>| match self.resize {
            BlockResize::Keep => x,
            BlockResize::Halve(filter) => filter.halve(x),
            BlockResize::Enlarge(filter) => {
                let [_, _, h, w] = x.dims();
                filter.enlarge(x, size.unwrap_or([2 * h, 2 * w]))
            }
        };
        let h = norm_act(&self.norm1, x.clone(), Modulation::None, self.activation);
        let h = self.conv1.forward(resize(h));
        let x = resize(x);
        let h = norm_act(&self.norm2, h, self.modulation(time), self.activation);
        let h = self.conv2.forward(self.dropout.forward(h));
        let x = match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        rescaled(x + h, self.scale)
    }

    fn modulation(&self, time: Option<&Tensor<2>>) -> Modulation {
        let (Some(project), Some(time)) = (&self.time_emb_proj, time) else {
            return Modulation::None;
        };
        let projected = linear(project, time.clone());
        match self.conditioning {
            Conditioning::Shift => Modulation::Shift(projected),
            Conditioning::ScaleShift => Modulation::ScaleShift(projected),
        }
    }
}

/// `x/scale`.
#[allow(clippy::float_cmp, reason = "1 is exact")]
pub(crate) fn rescaled<const D: usize>(x: Tensor<D>, scale: f64) -> Tensor<D> {
    if scale == 1.0 { x } else { x / scale }
}

pub(crate) fn conv3x3(input: usize, output: usize) -> Conv2dConfig {
    Conv2dConfig::new([input, output], [3, 3]).with_padding([(1, 1), (1, 1)])
}
