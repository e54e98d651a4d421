//! The kernel as a differentiable operation on tensors of the CPU backend.

use super::host::{Given, backward, forward};
use crate::host::{Floats, tensor};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

pub(super) fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::attend(q, k, v))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait Attend: Backend {
    /// `o`.
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

pub(crate) trait AttendGradient: Backend {
    /// `∂/∂q`, `∂/∂k` and `∂/∂v` from `∂/∂o`.
    fn attend_gradient(
        given: [FloatTensor<Self>; 3],
        dy: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

/// Calls `f` with the numbers of queries, keys and values.
fn with<R>(given: &[FloatTensor<Flex>; 3], f: impl FnOnce(Given<'_>) -> R) -> R {
    let [q, k, v] = given.each_ref().map(Floats::of);
    let ([b, h, d, n], [.., m], [_, _, e, _]) = (q.shape(), k.shape::<4>(), v.shape::<4>());
    f(Given {
        q: &q,
        k: &k,
        v: &v,
        pairs: b * h,
        features: [d, e],
        tokens: [n, m],
    })
}

impl Attend for Flex {
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ([b, h, _, n], [_, _, e, _]) = (q.shape().dims(), v.shape().dims::<4>());
        tensor(with(&[q, k, v], forward), [b, h, e, n])
    }
}

impl AttendGradient for Flex {
    fn attend_gradient(
        given: [FloatTensor<Self>; 3],
        dy: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        let [dq, dk, dv] = with(&given, |given| backward(given, &Floats::of(&dy)));
        let [q, k, v] = given.map(|tensor| tensor.shape());
        [tensor(dq, q), tensor(dk, k), tensor(dv, v)]
    }
}

impl<B, C> Attend for Autodiff<B, C>
where
    B: Attend + AttendGradient,
    C: CheckpointStrategy,
{
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Attention;

        impl<B: AttendGradient> Backward<B, 3> for Attention {
            type State = [NodeId; 3];

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                kept: &mut Checkpointer,
            ) {
                let given = ops.state.map(|node| kept.retrieve_node_output(node));
                let dy = gradients.consume::<B>(&ops.node);
                let found = B::attend_gradient(given, dy);
                for (node, gradient) in ops.parents.into_iter().zip(found) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let given = [q, k, v];
        let prepared = Attention.prepare::<C>(given.each_ref().map(|tensor| tensor.node()));
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
