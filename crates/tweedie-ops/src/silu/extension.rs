//! The kernels as differentiable operations on tensors.

use crate::source::Source;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{
    base::Checkpointer, retro_forward::RetroForward, state::BackwardStates,
    strategy::CheckpointStrategy,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

pub(super) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::silu_of(x.into_dispatch()))
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion")),
    Autodiff
)]
pub(crate) trait Silu: Backend {
    /// Computes `silu(x)`.
    #[fusion(dtype = x, shape = x)]
    fn silu_of(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion"))
)]
pub(crate) trait SiluGradient: Backend {
    /// Computes `∂/∂x` from `∂/∂y`.
    #[fusion(dtype = x, shape = x)]
    fn silu_gradient(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl<B: Silu + SiluGradient, C: CheckpointStrategy> Silu for Autodiff<B, C> {
    fn silu_of(x: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Activate;

        impl<B: SiluGradient> Backward<B, 1> for Activate {
            type State = NodeId;

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                gradients: &mut Gradients,
                kept: &mut Checkpointer,
            ) {
                let x = kept.retrieve_node_output(ops.state);
                unary::<B, _>(ops.parents, ops.node, gradients, |dy| {
                    B::silu_gradient(x, dy)
                });
            }
        }

        let prepared = Activate.prepare::<C>([x.node()]);
        let prepared = match x.is_tracked() {
            true => prepared
                .memory_bound()
                .retro_forward(RecomputedSilu::<B>(Source::of::<C>(&x)))
                .parents([&x]),
            false => prepared.compute_bound(),
        };
        match prepared.stateful() {
            OpsKind::Tracked(mut tape) => {
                let kept = tape.checkpoint(&x);
                tape.finish(kept, B::silu_of(x.into_primitive()))
            }
            OpsKind::UnTracked(tape) => tape.finish(B::silu_of(x.into_primitive())),
        }
    }
}

/// Recomputes the output in the backward pass.
#[derive(Debug)]
struct RecomputedSilu<B: Backend>(Source<B>);

impl<B: Silu> RetroForward for RecomputedSilu<B> {
    fn forward(&self, states: &mut BackwardStates, node: NodeId) {
        let x = self.0.get(states);
        states.save(node, B::silu_of(x));
    }
}
