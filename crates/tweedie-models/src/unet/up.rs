//! The up path: the blocks of one level with their skips, and the upsampling to the next finer one.

use super::{BlockAttention, BlockInputs, plain};
use crate::convolution::Conv2d;
use crate::{Activation, Filter, ResBlock, Upsample};
use burn::module::Module;
use burn::nn::GroupNorm;
use burn::tensor::Tensor;
use tweedie_ops::concat_channels;

/// The blocks of a level on the up path.
#[derive(Module, Debug)]
pub struct UpBlock {
    pub(crate) resnets: Vec<ResBlock>,
    /// One for each block, or one for the last block.
    pub(crate) attentions: Vec<BlockAttention>,
    pub(crate) grow: Option<Grow>,
    /// Whether the level enlarges the image of a pyramid.
    pub(crate) pyramid: bool,
}

/// How a level is upsampled to the next finer one.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "modules are not kept in boxes")]
pub(crate) enum Grow {
    /// By a convolution.
    Convolution(Upsample),
    /// By a residual block.
    Residual(ResBlock),
    /// By a residual block, which also contributes to an image.
    Pyramid(GrowPyramid),
}

/// A residual block that doubles the size, and the layers of the image's update.
#[derive(Module, Debug)]
pub(crate) struct GrowPyramid {
    pub(crate) resnet_up: ResBlock,
    pub(crate) skip_norm: GroupNorm,
    pub(crate) skip_conv: Conv2d,
}

impl UpBlock {
    /// Applies the level. Each block pops one of `skips`; `image` accumulates the pyramid's output.
    pub(crate) fn forward(
        &self,
        mut h: Tensor<4>,
        shared: &BlockInputs<'_>,
        skips: &mut Vec<Tensor<4>>,
        image: &mut Option<Tensor<4>>,
    ) -> Tensor<4> {
        let time = shared.time.as_ref();
        let first = self.resnets.len() - self.attentions.len();
        for (i, resnet) in self.resnets.iter().enumerate() {
            if let Some(skip) = skips.pop() {
                h = concat_channels(h, skip);
            }
            h = resnet.forward(h, time, None);
            let attention = i.checked_sub(first).and_then(|i| self.attentions.get(i));
            if let Some(attention) = attention {
                h = attention.forward(h, shared);
            }
        }
        if self.pyramid {
            *image = image.take().map(|image| {
                let [_, _, height, width] = image.dims();
                Filter::Fir.enlarge(image, [2 * height, 2 * width])
            });
        }
        let (Some(grow), Some(skip)) = (&self.grow, skips.last()) else {
            return h;
        };
        let [_, _, height, width] = skip.dims();
        let size = [height, width];
        match grow {
            Grow::Convolution(upsample) => upsample.forward(h, size),
            Grow::Residual(resnet) => resnet.forward(h, time, Some(size)),
            Grow::Pyramid(pyramid) => {
                let normed = plain(&pyramid.skip_norm, h.clone(), Activation::Silu);
                let update = pyramid.skip_conv.forward(normed);
                *image = Some(match image.take() {
                    Some(image) => image + update,
                    None => update,
                });
                pyramid.resnet_up.forward(h, time, Some(size))
            }
        }
    }
}
