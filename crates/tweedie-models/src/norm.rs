//! Group normalisation with what follows it: one function, so that one kernel can take its place.

use crate::Activation;
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::tensor::{Device, Tensor};

/// How the embedding of level and class enters a block.
#[derive(Debug)]
pub(crate) enum Modulation {
    /// Not at all.
    None,
    /// As a bias before the normalisation, `[batch, channels]`.
    Shift(Tensor<2>),
    /// As factor and bias after the normalisation, `[batch, 2·channels]`.
    ScaleShift(Tensor<2>),
}

/// `act(norm(x + b))`, or `act(norm(x)·(1 + s) + b)`.
pub(crate) fn norm_act(
    norm: &GroupNorm,
    x: Tensor<4>,
    modulation: Modulation,
    activation: Activation,
) -> Tensor<4> {
    let pixels = |vector: Tensor<2>| vector.unsqueeze_dims::<4>(&[2, 3]);
    let x = match modulation {
        Modulation::None => norm.forward(x),
        Modulation::Shift(bias) => norm.forward(x + pixels(bias)),
        Modulation::ScaleShift(both) => {
            let channels = x.dims()[1];
            let scale = both.clone().narrow(1, 0, channels) + 1.0;
            let shift = both.narrow(1, channels, channels);
            norm.forward(x) * pixels(scale) + pixels(shift)
        }
    };
    activation.forward(x)
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
