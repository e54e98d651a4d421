//! The kernel as a differentiable operation on tensors of the CPU backend.

use super::GroupNormalisation;
use super::host::{Given, backward, forward};
use crate::host::{Floats, tensor};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
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
            type State = ([FloatTensor<B>; 4], GroupNormalisation);

            fn backward(
                self,
                ops: Ops<Self::State, 4>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let (given, how) = ops.state;
                let dy = gradients.consume::<B>(&ops.node);
                let found = B::normalise_gradient(given, dy, how);
                for (node, gradient) in ops.parents.into_iter().zip(found) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let nodes = [x.node(), a.node(), b.node(), d.node()];
        let [x, a, b, d] = [x, a, b, d].map(|tensor| tensor.into_primitive());
        let given = [x.clone(), a.clone(), b.clone(), d.clone()];
        let y = B::normalise(x, a, b, d, Arc::clone(&how));
        match Norm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(tape) => tape.finish((given, *how), y),
            OpsKind::UnTracked(tape) => tape.finish(y),
        }
    }
}
