//! The kernels as differentiable operations on tensors.

use super::GroupNormalisation;
use crate::source::Source;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{
    base::Checkpointer, retro_forward::RetroForward, state::BackwardStates,
    strategy::CheckpointStrategy,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

pub(super) fn normalise(
    x: Tensor<4>,
    a: Tensor<2>,
    b: Option<Tensor<2>>,
    d: Tensor<2>,
    how: GroupNormalisation,
) -> Tensor<4> {
    let how = How {
        norm: how,
        shifted: b.is_some(),
    };
    // An extension takes only tensors, so `d` stands in for a missing `b`.
    let b = b.unwrap_or_else(|| d.clone().detach().set_require_grad(false));
    let [a, b, d] = [a, b, d].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::normalise(x.into_dispatch(), a, b, d, how))
}

/// The normalisation, and whether there is a `b`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(super) norm: GroupNormalisation,
    pub(super) shifted: bool,
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion")),
    Autodiff
)]
pub(crate) trait Normalise: Backend {
    /// Computes `y`.
    #[fusion(dtype = x, shape = x)]
    fn normalise(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        d: FloatTensor<Self>,
        how: How,
    ) -> FloatTensor<Self>;
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion"))
)]
pub(crate) trait NormaliseGradient: Backend {
    /// Computes `∂/∂x`, `∂/∂a`, `∂/∂b` and `∂/∂d` from `∂/∂y`. Without a `b`, the values of `∂/∂b`
    /// are unspecified.
    #[fusion(meta = |x, a, b, d, _, _| (x.clone(), a.clone(), b.clone(), d.clone()))]
    fn normalise_gradient(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        d: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        how: How,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    );
}

impl<B, C> Normalise for Autodiff<B, C>
where
    B: Normalise + NormaliseGradient,
    C: CheckpointStrategy,
{
    fn normalise(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        d: FloatTensor<Self>,
        how: How,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct NormBackward;

        impl<B: NormaliseGradient> Backward<B, 4> for NormBackward {
            type State = ([NodeId; 4], How);

            fn backward(
                self,
                ops: Ops<Self::State, 4>,
                gradients: &mut Gradients,
                kept: &mut Checkpointer,
            ) {
                let (given, how) = ops.state;
                let [x, a, b, d] = given.map(|node| kept.retrieve_node_output(node));
                let dy = gradients.consume::<B>(&ops.node);
                let (dx, da, db, dd) = B::normalise_gradient(x, a, b, d, dy, how);
                for (node, gradient) in ops.parents.into_iter().zip([dx, da, db, dd]) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let given = [x, a, b, d];
        let again = RecomputedNorm::<B> {
            given: given.each_ref().map(Source::of::<C>),
            how,
        };
        let tracked: Vec<_> = given.iter().filter(|tensor| tensor.is_tracked()).collect();
        let prepared = NormBackward.prepare::<C>(given.each_ref().map(|tensor| tensor.node()));
        let prepared = match tracked.is_empty() {
            true => prepared.compute_bound(),
            false => prepared
                .memory_bound()
                .retro_forward(again)
                .parents(tracked),
        };
        let run = |[x, a, b, d]: [FloatTensor<Self>; 4]| {
            let [x, a, b, d] = [x, a, b, d].map(|tensor| tensor.into_primitive());
            B::normalise(x, a, b, d, how)
        };
        match prepared.stateful() {
            OpsKind::Tracked(mut tape) => {
                let kept = given.each_ref().map(|tensor| tape.checkpoint(tensor));
                tape.finish((kept, how), run(given))
            }
            OpsKind::UnTracked(tape) => tape.finish(run(given)),
        }
    }
}

/// Recomputes the output in the backward pass, where that is cheaper than keeping it.
#[derive(Debug)]
struct RecomputedNorm<B: Backend> {
    given: [Source<B>; 4],
    how: How,
}

impl<B: Normalise> RetroForward for RecomputedNorm<B> {
    fn forward(&self, states: &mut BackwardStates, node: NodeId) {
        let [x, a, b, d] = self.given.each_ref().map(|source| source.get(states));
        states.save(node, B::normalise(x, a, b, d, self.how));
    }
}
