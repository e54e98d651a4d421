//! The coarsest part: block, attention, block.

use super::{BlockAttention, BlockInputs};
use crate::ResBlock;
use burn::module::Module;
use burn::tensor::Tensor;

/// Two residual blocks with optional attention between them.
#[derive(Module, Debug)]
pub struct MidBlock {
    pub(crate) resnets: [ResBlock; 2],
    pub(crate) attentions: Option<BlockAttention>,
}

impl MidBlock {
    pub(crate) fn forward(&self, h: Tensor<4>, shared: &BlockInputs<'_>) -> Tensor<4> {
        let time = shared.time.as_ref();
        let h = self.resnets[0].forward(h, time, None);
        let h = match &self.attentions {
            Some(attention) => attention.forward(h, shared),
            None => h,
        };
        self.resnets[1].forward(h, time, None)
    }
}
