//! What the denoisers of photographs share: images in `[0, 1]`, and chains of convolutions.

use crate::NetworkError;
use crate::convolution::Conv2d;
use crate::import::CheckpointError;
use crate::resblock::conv3x3;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use std::path::Path;
use tweedie_core::InputError;
use tweedie_math::Level;

/// `x̂₀` on `[−1, 1]` by `restore`, which takes images and the deviation of their noise on
/// `[0, 1]`.
pub(crate) fn estimate(
    x: Tensor<4>,
    level: Level,
    restore: impl FnOnce(Tensor<4>, f64) -> Tensor<4>,
) -> Tensor<4> {
    let images = (x / level.alpha() + 1.0) * 0.5;
    let sigma = 0.5 * level.sigma() / level.alpha();
    restore(images, sigma) * 2.0 - 1.0
}

/// `Ok` for images of this number of channels.
pub(crate) fn accepts(channels: usize, shape: [usize; 4]) -> Result<(), InputError> {
    match shape[1] == channels {
        true => Ok(()),
        false => Err(InputError::Shape {
            name: "the state",
            found: shape.to_vec(),
            expected: format!("{channels} channels"),
        }),
    }
}

/// `depth` 3×3 convolutions from and to these numbers of channels, with `width` between them.
pub(crate) fn chain(
    [input, output]: [usize; 2],
    width: usize,
    depth: usize,
    device: &Device,
) -> Vec<Conv2d> {
    let layer = |i: usize| {
        let from = if i == 0 { input } else { width };
        let to = if i + 1 == depth { output } else { width };
        conv3x3(from, to).init(device)
    };
    (0..depth).map(layer).collect()
}

/// Applies a chain, with ReLU between its layers.
pub(crate) fn through(layers: &[Conv2d], mut x: Tensor<4>) -> Tensor<4> {
    for (i, layer) in layers.iter().enumerate() {
        x = layer.forward(if i == 0 { x } else { relu(x) });
    }
    x
}

/// The error of a file whose network cannot be made.
pub(crate) fn unmade(path: &Path, source: NetworkError) -> CheckpointError {
    CheckpointError::Network {
        path: path.into(),
        source,
    }
}
