//! Attention, between tokens and between the pixels of a feature map.
//!
//! `A(x, c) = W_o softmax(q kᵀ/√d) v + b_o` with `q = W_q x`, `k = W_k c`, `v = W_v c`, in several
//! heads of `d` features each. `W_o` is initialised to zero. [`tweedie_ops::attention`]
//! computes the attention, unless the scores have a bias.
//!
//! # Reference
//! Vaswani et al. 2017, eq. 1, arXiv:1706.03762; Ho et al. 2020, appendix B, arXiv:2006.11239.

use crate::convolution::pointwise;
use crate::norm::{group_norm, norm_alone};
use crate::resblock::rescaled;
use burn::module::Module;
use burn::nn::{GroupNorm, Initializer, Linear, LinearConfig};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor, module};
use serde::{Deserialize, Serialize};
use tweedie_ops::{attention, has_kernel};

/// How the channels are divided among heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Heads {
    /// The number of heads.
    Count(usize),
    /// The number of channels per head.
    Width(usize),
}

impl Heads {
    /// The number of heads for `channels`; `None` if the heads do not divide the channels.
    #[must_use]
    pub fn on(self, channels: usize) -> Option<usize> {
        let (Self::Count(divisor) | Self::Width(divisor)) = self;
        if divisor == 0 || !channels.is_multiple_of(divisor) {
            return None;
        }
        Some(match self {
            Self::Count(count) => count,
            Self::Width(width) => channels / width,
        })
    }
}

/// Multi-head attention from tokens to a context.
#[derive(Module, Debug)]
pub struct Attention {
    pub(crate) to_q: Linear,
    pub(crate) to_k: Linear,
    pub(crate) to_v: Linear,
    pub(crate) to_out: Linear,
    heads: usize,
}

impl Attention {
    /// Creates attention from tokens of `features` features to a context of `context` features.
    ///
    /// `heads` has to divide `features`. The query, key and value projections have a bias if
    /// `bias`.
    #[must_use]
    pub fn new(features: usize, context: usize, heads: usize, bias: bool, device: &Device) -> Self {
        let linear = |from| {
            LinearConfig::new(from, features)
                .with_bias(bias)
                .init(device)
        };
        Self {
            to_q: linear(features),
            to_k: linear(context),
            to_v: linear(context),
            to_out: LinearConfig::new(features, features)
                .with_initializer(Initializer::Zeros)
                .init(device),
            heads,
        }
    }

    /// Maps `[batch, tokens, features]` and `[batch, n, context]` to `[batch, tokens, features]`.
    ///
    /// `bias`, `[batch, n]`, is added to the scores of the context tokens.
    #[must_use]
    pub fn forward(&self, x: Tensor<3>, context: Tensor<3>, bias: Option<&Tensor<2>>) -> Tensor<3> {
        let [batch, tokens, features] = x.dims();
        let width = features / self.heads;
        let split = |rows: Tensor<3>| {
            let tokens = rows.dims()[1];
            let parts = rows.reshape([batch, tokens, self.heads, width]);
            parts.permute([0, 2, 3, 1])
        };
        let [q, k, v] = [
            self.to_q.forward(x),
            self.to_k.forward(context.clone()),
            self.to_v.forward(context),
        ]
        .map(split);
        let mixed = match bias {
            None => attention(q, k, v),
            Some(bias) => {
                let row = bias.clone().unsqueeze_dims::<4>(&[1, 2]);
                let bias = row.expand([batch, self.heads, tokens, bias.dims()[1]]);
                let [q, k, v] = [q, k, v].map(|features_first| features_first.swap_dims(2, 3));
                let how = AttentionModuleOptions::default();
                module::attention(q, k, v, None, Some(bias), how).swap_dims(2, 3)
            }
        };
        let rows = mixed.permute([0, 3, 1, 2]);
        self.to_out.forward(rows.reshape([batch, tokens, features]))
    }

    /// Self-attention between the pixels of `[batch, features, h, w]`. The projections run as 1×1
    /// convolutions, so the image need not be transposed to rows of tokens.
    fn between_pixels(&self, x: Tensor<4>) -> Tensor<4> {
        let size @ [batch, features, h, w] = x.dims();
        let heads = [batch, self.heads, features / self.heads, h * w];
        let [q, k, v] = [&self.to_q, &self.to_k, &self.to_v]
            .map(|layer| pointwise(layer, x.clone()).reshape(heads));
        pointwise(&self.to_out, attention(q, k, v).reshape(size))
    }
}

/// Attention between the pixels of a feature map: `x ↦ (x + A(norm(x)))/s`.
#[derive(Module, Debug)]
pub struct SelfAttention {
    pub(crate) group_norm: Option<GroupNorm>,
    pub(crate) attention: Attention,
    scale: f64,
}

impl SelfAttention {
    /// Creates attention on `channels` channels in `heads` heads.
    ///
    /// `groups` and `heads` have to divide `channels`. Without `groups` there is no normalisation.
    #[must_use]
    pub fn new(
        channels: usize,
        groups: Option<usize>,
        epsilon: f64,
        heads: usize,
        device: &Device,
    ) -> Self {
        Self {
            group_norm: groups.map(|groups| group_norm(groups, channels, epsilon, device)),
            attention: Attention::new(channels, channels, heads, true, device),
            scale: 1.0,
        }
    }

    /// Divides the sum by `scale`, the `s` of the formula.
    #[must_use]
    pub fn with_scale(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    /// Maps `[batch, channels, h, w]` to the same shape.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let normed = match &self.group_norm {
            Some(norm) => norm_alone(norm, x.clone()),
            None => x.clone(),
        };
        let update = match has_kernel(&normed) {
            true => self.attention.between_pixels(normed),
            false => {
                let rows = tokens(normed);
                pixels(self.attention.forward(rows.clone(), rows, None), x.dims())
            }
        };
        rescaled(x + update, self.scale)
    }
}

/// Rearranges `[b, c, h, w]` to `[b, h·w, c]`.
pub(crate) fn tokens(x: Tensor<4>) -> Tensor<3> {
    let [b, c, h, w] = x.dims();
    x.reshape([b, c, h * w]).swap_dims(1, 2)
}

/// The inverse of [`tokens`], with the height and width of `size` and the channels of `x`.
pub(crate) fn pixels(x: Tensor<3>, size: [usize; 4]) -> Tensor<4> {
    let [b, _, c] = x.dims();
    x.swap_dims(1, 2).reshape([b, c, size[2], size[3]])
}
