//! The residual block of DDPM's U-Net.
//!
//! `x ↦ skip(x) + conv₂(drop(silu(norm₂(conv₁(silu(norm₁ x)) + W silu(t)))))`, `conv₂` zero at first.
//!
//! # Reference
//! Ho et al. 2020, appendix B, arXiv:2006.11239.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{
    Dropout, DropoutConfig, GroupNorm, GroupNormConfig, Initializer, Linear, LinearConfig,
    PaddingConfig2d,
};
use burn::tensor::{Device, Tensor, activation::silu};

/// Configuration of a [`ResBlock`].
#[derive(Config, Debug)]
pub struct ResBlockConfig {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
    /// Features of the time embedding.
    pub time: usize,
    /// Groups of the normalisation; has to divide both channel counts.
    #[config(default = 32)]
    pub groups: usize,
    /// Probability of dropout.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// Two convolutions with the time embedding between them, beside a skip connection.
#[derive(Module, Debug)]
pub struct ResBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Linear,
    norm2: GroupNorm,
    dropout: Dropout,
    conv2: Conv2d,
    skip: Option<Conv2d>,
}

impl ResBlockConfig {
    /// The block on `device`.
    #[must_use]
    pub fn init(&self, device: &Device) -> ResBlock {
        ResBlock {
            norm1: norm(self.groups, self.input, device),
            conv1: conv3x3(self.input, self.output).init(device),
            time: LinearConfig::new(self.time, self.output).init(device),
            norm2: norm(self.groups, self.output, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            conv2: conv3x3(self.output, self.output)
                .with_initializer(Initializer::Zeros)
                .init(device),
            skip: (self.input != self.output)
                .then(|| Conv2dConfig::new([self.input, self.output], [1, 1]).init(device)),
        }
    }
}

impl ResBlock {
    /// `[batch, input, h, w]` and `[batch, time]` to `[batch, output, h, w]`.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>, time: Tensor<2>) -> Tensor<4> {
        let h = self.conv1.forward(norm_silu(&self.norm1, x.clone()));
        let bias = self.time.forward(silu(time));
        let h = h + bias.unsqueeze_dims::<4>(&[2, 3]);
        let h = self.dropout.forward(norm_silu(&self.norm2, h));
        let h = self.conv2.forward(h);
        match &self.skip {
            Some(skip) => skip.forward(x) + h,
            None => x + h,
        }
    }
}

/// Group normalisation followed by SiLU.
pub(crate) fn norm_silu(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    silu(norm.forward(x))
}

pub(crate) fn norm(groups: usize, channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(groups.min(channels), channels)
        .with_epsilon(1e-6)
        .init(device)
}

pub(crate) fn conv3x3(input: usize, output: usize) -> Conv2dConfig {
    Conv2dConfig::new([input, output], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
}
