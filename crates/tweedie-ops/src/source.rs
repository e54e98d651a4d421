//! Inputs of operations that are recomputed in the backward pass.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{state::BackwardStates, strategy::CheckpointStrategy};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

/// Where an operation that is recomputed in the backward pass finds one of its inputs.
#[derive(Debug)]
pub(crate) enum Source<B: Backend> {
    /// In the checkpointed states, which may themselves be recomputed.
    Node(NodeId),
    /// Stored here, because the tensor is not tracked.
    Constant(FloatTensor<B>),
}

impl<B: Backend> Source<B> {
    pub(crate) fn of<C: CheckpointStrategy>(tensor: &FloatTensor<Autodiff<B, C>>) -> Self {
        match tensor.is_tracked() {
            true => Self::Node(tensor.id()),
            false => Self::Constant(tensor.primitive().clone()),
        }
    }

    pub(crate) fn get(&self, states: &mut BackwardStates) -> FloatTensor<B> {
        match self {
            Self::Node(node) => states.get_state(node),
            Self::Constant(tensor) => tensor.clone(),
        }
    }
}
