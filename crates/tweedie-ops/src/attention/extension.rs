//! The kernels as differentiable operations on tensors.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
#[cfg(all(feature = "cube", feature = "fusion"))]
use burn::tensor::Shape;
use burn::tensor::Tensor;

pub(super) fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::attend(q, k, v))
}

/// The shape of `o`.
#[cfg(all(feature = "cube", feature = "fusion"))]
fn output_shape(q: &Shape, v: &Shape) -> Shape {
    let ([b, h, _, n], [_, _, e, _]) = (q.dims(), v.dims::<4>());
    [b, h, e, n].into()
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion")),
    Autodiff
)]
pub(crate) trait AttentionBackend: Backend {
    /// Computes `o`.
    #[fusion(dtype = q, shape = output_shape(q, v))]
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion"))
)]
pub(crate) trait AttendGradient: Backend {
    /// Computes `∂/∂q`, `∂/∂k` and `∂/∂v` from `∂/∂o`.
    #[fusion(meta = |q, k, v, _| (q.clone(), k.clone(), v.clone()))]
    fn attend_gradient(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl<B, C> AttentionBackend for Autodiff<B, C>
where
    B: AttentionBackend + AttendGradient,
    C: CheckpointStrategy,
{
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct AttentionBackward;

        impl<B: AttendGradient> Backward<B, 3> for AttentionBackward {
            type State = [NodeId; 3];

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                kept: &mut Checkpointer,
            ) {
                let [q, k, v] = ops.state.map(|node| kept.retrieve_node_output(node));
                let dy = gradients.consume::<B>(&ops.node);
                let (dq, dk, dv) = B::attend_gradient(q, k, v, dy);
                for (node, gradient) in ops.parents.into_iter().zip([dq, dk, dv]) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let given = [q, k, v];
        let prepared = AttentionBackward.prepare::<C>(given.each_ref().map(|tensor| tensor.node()));
        let run = |given: [FloatTensor<Self>; 3]| {
            let [q, k, v] = given.map(|tensor| tensor.into_primitive());
            B::attend(q, k, v)
        };
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(mut tape) => {
                let kept = given.each_ref().map(|tensor| tape.checkpoint(tensor));
                tape.finish(kept, run(given))
            }
            OpsKind::UnTracked(tape) => tape.finish(run(given)),
        }
    }
}
