//! The way down: blocks of one level, and the passage to the next.

use super::{BlockAttention, Shared};
use crate::convolution::Conv2d;
use crate::{Downsample, Filter, ResBlock};
use burn::module::Module;
use burn::tensor::Tensor;

/// The blocks of a level on the way down.
#[derive(Module, Debug)]
pub struct DownBlock {
    pub(crate) resnets: Vec<ResBlock>,
    pub(crate) attentions: Vec<BlockAttention>,
    pub(crate) shrink: Option<Shrink>,
}

/// How a level passes to the next coarser one.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "modules are not kept in boxes")]
pub(crate) enum Shrink {
    /// By a convolution.
    Convolution(Downsample),
    /// By a residual block.
    Residual(ResBlock),
    /// By a residual block, to which the image itself is added at the coarser size.
    Pyramid(ShrinkPyramid),
}

/// A residual block that halves, and the image beside it.
#[derive(Module, Debug)]
pub(crate) struct ShrinkPyramid {
    pub(crate) resnet_down: ResBlock,
    pub(crate) skip_conv: Conv2d,
}

impl DownBlock {
    /// Every output goes to `skips`; `image` is halved where a pyramid uses it.
    pub(crate) fn forward(
        &self,
        mut h: Tensor<4>,
        shared: &Shared<'_>,
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
