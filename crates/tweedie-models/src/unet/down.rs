//! The down path: the blocks of one level, and the downsampling to the next coarser one.

use super::{BlockAttention, BlockInputs};
use crate::convolution::Conv2d;
use crate::{Downsample, Filter, ResBlock};
use burn::module::Module;
use burn::tensor::Tensor;

/// The blocks of a level on the down path.
#[derive(Module, Debug)]
pub struct DownBlock {
    pub(crate) resnets: Vec<ResBlock>,
    pub(crate) attentions: Vec<BlockAttention>,
    pub(crate) shrink: Option<Shrink>,
}

/// How a level is downsampled to the next coarser one.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "modules are not kept in boxes")]
pub(crate) enum Shrink {
    /// By a convolution.
    Convolution(Downsample),
    /// By a residual block.
    Residual(ResBlock),
    /// By a residual block, plus a projection of the image at the coarser size.
    Pyramid(ShrinkPyramid),
}

/// A residual block that halves the size, and the projection of the image.
#[derive(Module, Debug)]
pub(crate) struct ShrinkPyramid {
    pub(crate) resnet_down: ResBlock,
    pub(crate) skip_conv: Conv2d,
}

impl DownBlock {
    /// Applies the level and pushes every output to `skips`. A pyramid halves `image`.
    pub(crate) fn forward(
        &self,
        mut h: Tensor<4>,
        shared: &BlockInputs<'_>,
        skips: &mut Vec<Tensor<4>>,
        image: &mut Tensor<4>,
    ) -> Tensor<4> {
        let time = shared.time.as_ref();
        for (i, resnet) in self.resnets.iter().enumerate() {
            h = resnet.forward(h, time, None);
            if let Some(attention) = self.attentions.get(i) {
                h = attention.forward(h, shared);
            }
            skips.push(h.clone());
        }
        let Some(shrink) = &self.shrink else {
            return h;
        };
        h = match shrink {
            Shrink::Convolution(downsample) => downsample.forward(h),
            Shrink::Residual(resnet) => resnet.forward(h, time, None),
            Shrink::Pyramid(pyramid) => {
                *image = Filter::Fir.halve(image.clone());
                pyramid.skip_conv.forward(image.clone())
                    + pyramid.resnet_down.forward(h, time, None)
            }
        };
        skips.push(h.clone());
        h
    }
}
