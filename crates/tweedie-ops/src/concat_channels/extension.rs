//! The kernels as differentiable operations on tensors.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn concat_channels(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    let [a, b] = [a, b].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::joined(a, b))
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion")),
    Autodiff
)]
pub(crate) trait Join: Backend {
    /// Returns the channels of `a` followed by those of `b`.
    #[fusion(dtype = a, shape = [a[0], a[1] + b[1], a[2], a[3]].into())]
    fn joined(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion"))
)]
pub(crate) trait ConcatChannels: Backend {
    /// Copies channels `first..first + count` of `x`, with `range = [first, count]`, to a
    /// contiguous tensor.
    #[fusion(dtype = x, shape = [x[0], range[1], x[2], x[3]].into())]
    fn channels(x: FloatTensor<Self>, range: [usize; 2]) -> FloatTensor<Self>;
}

impl<B, C> Join for Autodiff<B, C>
where
    B: Join + ConcatChannels,
    C: CheckpointStrategy,
{
    fn joined(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ConcatBackward;

        impl<B: ConcatChannels> Backward<B, 2> for ConcatBackward {
            /// The numbers of channels of `a` and `b`.
            type State = [usize; 2];

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let [i, j] = ops.state;
                let dy = gradients.consume::<B>(&ops.node);
                for (node, range) in ops.parents.into_iter().zip([[0, i], [i, j]]) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, B::channels(dy.clone(), range));
                    }
                }
            }
        }

        let channels = [&a, &b].map(|x| x.shape().dims::<4>()[1]);
        let prepared = ConcatBackward.prepare::<C>([a.node(), b.node()]);
        let y = B::joined(a.into_primitive(), b.into_primitive());
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(tape) => tape.finish(channels, y),
            OpsKind::UnTracked(tape) => tape.finish(y),
        }
    }
}
