//! Group normalisation fused with modulation and SiLU, by [`tweedie_ops::group_norm`].

use crate::Activation;
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::tensor::{Device, Tensor};
use tweedie_ops::{GroupNormalisation, group_norm as kernel};

/// How the embedding of level and class is injected into a block.
#[derive(Debug)]
pub(crate) enum Modulation {
    /// No embedding.
    None,
    /// Added as a bias before the normalisation, `[batch, channels]`.
    Shift(Tensor<2>),
    /// Applied as scale and shift after the normalisation, `[batch, 2·channels]`.
    ScaleShift(Tensor<2>),
}

/// `act(norm(x + b))`, or `act(norm(x)·(1 + s) + b)`.
pub(crate) fn norm_act(
    norm: &GroupNorm,
    x: Tensor<4>,
    modulation: Modulation,
    activation: Activation,
) -> Tensor<4> {
    let silu = activation == Activation::Silu;
    let y = normalised(norm, x, modulation, silu);
    if silu { y } else { activation.forward(y) }
}

/// `norm(x)`.
pub(crate) fn norm_alone(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    normalised(norm, x, Modulation::None, false)
}

fn normalised(norm: &GroupNorm, x: Tensor<4>, modulation: Modulation, silu: bool) -> Tensor<4> {
    let [n, c, ..] = x.dims();
    let parameter = |tensor: Option<Tensor<1>>, otherwise: f64| match tensor {
        Some(tensor) => tensor.unsqueeze::<2>().expand([n, c]),
        None => Tensor::full([n, c], otherwise, (&x.device(), x.dtype())),
    };
    let gamma = parameter(norm.gamma.as_ref().map(|gamma| gamma.val()), 1.0);
    let beta = parameter(norm.beta.as_ref().map(|beta| beta.val()), 0.0);
    let (a, b, d) = match modulation {
        Modulation::None => (gamma, None, beta),
        Modulation::Shift(shift) => (gamma, Some(shift), beta),
        Modulation::ScaleShift(both) => {
            let factor = both.clone().narrow(1, 0, c) + 1.0;
            let shift = both.narrow(1, c, c);
            (gamma * factor.clone(), None, beta * factor + shift)
        }
    };
    let how = GroupNormalisation {
        groups: norm.num_groups,
        epsilon: norm.epsilon,
        silu,
    };
    kernel(x, a, b, d, how)
}

pub(crate) fn group_norm(
    groups: usize,
    channels: usize,
    epsilon: f64,
    device: &Device,
) -> GroupNorm {
    GroupNormConfig::new(groups, channels)
        .with_epsilon(epsilon)
        .init(device)
}
