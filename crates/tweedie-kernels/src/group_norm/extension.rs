//! The kernel as a differentiable operation on tensors of the CPU backend.

use super::GroupNormalisation;
use super::host::{Given, backward, forward};
use crate::host::{Floats, Source, tensor};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{
    base::Checkpointer, retro_forward::RetroForward, state::BackwardStates,
    strategy::CheckpointStrategy,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use std::sync::Arc;

pub(super) fn normalise(
    x: Tensor<4>,
    [a, b, d]: [Tensor<2>; 3],
    how: GroupNormalisation,
) -> Tensor<4> {
    let [a, b, d] = [a, b, d].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::normalise(
        x.into_dispatch(),
        a,
        b,
        d,
        Arc::new(how),
    ))
}

type How = Arc<GroupNormalisation>;

#[backend_extension(Flex, Autodiff)]
pub(crate) trait Normalise: Backend {
    /// `y`.
    fn normalise(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        d: FloatTensor<Self>,
        how: How,
    ) -> FloatTensor<Self>;
}

pub(crate) trait NormaliseGradient: Backend {
    /// `∂/∂x`, `∂/∂a`, `∂/∂b` and `∂/∂d` from `∂/∂y`.
    fn normalise_gradient(
        given: [FloatTensor<Self>; 4],
        dy: FloatTensor<Self>,
        how: GroupNormalisation,
    ) -> [FloatTensor<Self>; 4];
}

/// Calls `f` with the numbers of `x`, `a`, `b` and `d`.
fn with<R>(
    given: &[FloatTensor<Flex>; 4],
    how: GroupNormalisation,
    f: impl FnOnce(Given<'_>) -> R,
) -> R {
    let [x, a, b, d] = [0, 1, 2, 3].map(|i| Floats::of(&given[i]));
    let [_, channels, h, w] = x.shape();
    f(Given {
        x: &x,
        a: &a,
        b: &b,
        d: &d,
        channels,
        pixels: h * w,
        how,
    })
}

fn shape(x: &FloatTensor<Flex>) -> [usize; 4] {
    x.shape().dims()
}

impl Normalise for Flex {
    fn normalise(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        d: FloatTensor<Self>,
        how: How,
    ) -> FloatTensor<Self> {
        let given = [x, a, b, d];
        tensor(with(&given, *how, forward), shape(&given[0]))
    }
}

impl NormaliseGradient for Flex {
    fn normalise_gradient(
        given: [FloatTensor<Self>; 4],
        dy: FloatTensor<Self>,
        how: GroupNormalisation,
    ) -> [FloatTensor<Self>; 4] {
        let (dx, vectors) = with(&given, how, |given| backward(given, &Floats::of(&dy)));
        let shape = shape(&given[0]);
        let [da, db, dd] = vectors.map(|vector| tensor(vector, [shape[0], shape[1]]));
        [tensor(dx, shape), da, db, dd]
    }
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
        struct Norm;

        impl<B: NormaliseGradient> Backward<B, 4> for Norm {
            type State = ([NodeId; 4], GroupNormalisation);

            fn backward(
                self,
                ops: Ops<Self::State, 4>,
                gradients: &mut Gradients,
                kept: &mut Checkpointer,
            ) {
                let (given, how) = ops.state;
                let given = given.map(|node| kept.retrieve_node_output(node));
                let dy = gradients.consume::<B>(&ops.node);
                let found = B::normalise_gradient(given, dy, how);
                for (node, gradient) in ops.parents.into_iter().zip(found) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let given = [x, a, b, d];
        let again = Again::<B> {
            given: given.each_ref().map(Source::of::<C>),
            how: Arc::clone(&how),
        };
        let tracked: Vec<_> = given.iter().filter(|tensor| tensor.is_tracked()).collect();
        let prepared = Norm.prepare::<C>(given.each_ref().map(|tensor| tensor.node()));
        let prepared = match tracked.is_empty() {
            true => prepared.compute_bound(),
            false => prepared
                .memory_bound()
                .retro_forward(again)
                .parents(tracked),
        };
        let run = |[x, a, b, d]: [FloatTensor<Self>; 4]| {
            let [x, a, b, d] = [x, a, b, d].map(|tensor| tensor.into_primitive());
            B::normalise(x, a, b, d, Arc::clone(&how))
        };
        match prepared.stateful() {
            OpsKind::Tracked(mut tape) => {
                let kept = given.each_ref().map(|tensor| tape.checkpoint(tensor));
                tape.finish((kept, *how), run(given))
            }
            OpsKind::UnTracked(tape) => tape.finish(run(given)),
        }
    }
}

/// The same once more in the backward pass, where that is cheaper than to keep what it gave.
#[derive(Debug)]
struct Again<B: Backend> {
    given: [Source<B>; 4],
    how: How,
}

impl<B: Normalise> RetroForward for Again<B> {
    fn forward(&self, states: &mut BackwardStates, node: NodeId) {
        let [x, a, b, d] = self.given.each_ref().map(|source| source.get(states));
        states.save(node, B::normalise(x, a, b, d, Arc::clone(&self.how)));
    }
}
