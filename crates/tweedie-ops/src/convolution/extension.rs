//! The kernels as differentiable operations on tensors.

use super::ConvGeometry;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
#[cfg(all(feature = "cube", feature = "fusion"))]
use burn::tensor::Shape;
use burn::tensor::Tensor;

/// Returns whether a kernel exists for these arguments.
pub(super) fn takes(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    window: ConvGeometry,
) -> bool {
    let ([_, i, h, w], [_, from, kh, kw]) = (x.dims(), weight.dims());
    let [(top, bottom), (left, right)] = window.padding;
    let fits = |n: usize, k: usize, before: usize, after: usize| {
        before < k && after < k && n + before + after >= k
    };
    let narrow = x.dtype();
    let same = weight.dtype() == narrow && bias.is_none_or(|bias| bias.dtype() == narrow);
    // The kernels take one stride for both directions.
    let stride = window.stride[0] == window.stride[1] && window.stride[0] > 0;
    let shapes = i == from && fits(h, kh, top, bottom) && fits(w, kw, left, right);
    let some = [x.dims(), weight.dims()]
        .as_flattened()
        .iter()
        .all(|&n| n > 0);
    let fits = same && stride && shapes && some;
    #[cfg(feature = "cube")]
    let fits = fits && {
        // GPU kernels index the output with 32 bits.
        let ([n, ..], [o, ..]) = (x.dims(), weight.dims());
        let [down, across] = window.size([h, w], [kh, kw]);
        crate::on_host(x) || crate::device::counts(&[&[n, o, down, across]])
    };
    fits && crate::has_kernel(x)
}

/// See [`super::conv2d`].
pub(super) fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    window: ConvGeometry,
) -> Tensor<4> {
    // An extension takes only tensors, so a missing bias is a tensor of length 0.
    let bias = bias.unwrap_or_else(|| Tensor::zeros([0], (&weight.device(), weight.dtype())));
    let [x, weight] = [x, weight].map(Tensor::into_dispatch);
    let y = Dispatch::convolution(x, weight, bias.into_dispatch(), window);
    Tensor::from_dispatch(y)
}

/// The shape of `y`.
#[cfg(all(feature = "cube", feature = "fusion"))]
fn output_shape(x: &Shape, w: &Shape, window: &ConvGeometry) -> Shape {
    let ([n, _, rows, columns], [o, _, kh, kw]) = (x.dims(), w.dims());
    let [h, w] = window.size([rows, columns], [kh, kw]);
    [n, o, h, w].into()
}

/// The forward pass as a backend extension.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion")),
    Autodiff
)]
pub(crate) trait Convolution: Backend {
    /// Computes `y`.
    #[fusion(dtype = x, shape = output_shape(x, w, window))]
    fn convolution(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: ConvGeometry,
    ) -> FloatTensor<Self>;
}

/// The gradients as a backend extension.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion"))
)]
pub(crate) trait ConvolutionGradients: Backend {
    /// Computes `∂/∂x`, of height and width `size`, from `∂/∂y`.
    #[fusion(dtype = dy, shape = [dy[0], w[1], size[0], size[1]].into())]
    fn by_input(
        dy: FloatTensor<Self>,
        w: FloatTensor<Self>,
        window: ConvGeometry,
        size: [usize; 2],
    ) -> FloatTensor<Self>;

    /// Computes `∂/∂w`, of height and width `kernel`, from `∂/∂y`.
    #[fusion(dtype = dy, shape = [dy[1], x[1], kernel[0], kernel[1]].into())]
    fn by_weight(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        window: ConvGeometry,
        kernel: [usize; 2],
    ) -> FloatTensor<Self>;

    /// Computes `∂/∂b` from `∂/∂y`.
    #[fusion(dtype = dy, shape = [dy[1]].into())]
    fn by_bias(dy: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl<B, C> Convolution for Autodiff<B, C>
where
    B: Convolution + ConvolutionGradients,
    C: CheckpointStrategy,
{
    fn convolution(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: ConvGeometry,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Convolve;

        /// Each factor is kept only if the gradient by the other one is needed.
        #[derive(Clone, Debug)]
        struct Saved {
            x: Option<NodeId>,
            w: Option<NodeId>,
            window: ConvGeometry,
            size: [usize; 2],
            kernel: [usize; 2],
        }

        impl<B: ConvolutionGradients> Backward<B, 3> for Convolve {
            type State = Saved;

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                kept: &mut Checkpointer,
            ) {
                let Saved {
                    x,
                    w,
                    window,
                    size,
                    kernel,
                } = ops.state;
                let [node_x, node_w, node_bias] = ops.parents;
                let dy = gradients.consume::<B>(&ops.node);
                if let Some(node) = node_bias {
                    gradients.register::<B>(node.id, B::by_bias(dy.clone()));
                }
                if let (Some(node), Some(w)) = (node_x, w) {
                    let w = kept.retrieve_node_output(w);
                    let dx = B::by_input(dy.clone(), w, window, size);
                    gradients.register::<B>(node.id, dx);
                }
                if let (Some(node), Some(x)) = (node_w, x) {
                    let x = kept.retrieve_node_output(x);
                    let dw = B::by_weight(x, dy, window, kernel);
                    gradients.register::<B>(node.id, dw);
                }
            }
        }

        let (seeks_x, seeks_w) = (x.is_tracked(), w.is_tracked());
        let [.., rows, columns] = x.shape().dims::<4>();
        let [.., kh, kw] = w.shape().dims::<4>();
        let prepared = Convolve.prepare::<C>([x.node(), w.node(), bias.node()]);
        let run = |[x, w, bias]: [FloatTensor<Self>; 3]| {
            let [x, w, bias] = [x, w, bias].map(|tensor| tensor.into_primitive());
            B::convolution(x, w, bias, window)
        };
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(mut tape) => {
                let state = Saved {
                    x: seeks_w.then(|| tape.checkpoint(&x)),
                    w: seeks_x.then(|| tape.checkpoint(&w)),
                    window,
                    size: [rows, columns],
                    kernel: [kh, kw],
                };
                tape.finish(state, run([x, w, bias]))
            }
            OpsKind::UnTracked(tape) => tape.finish(run([x, w, bias])),
        }
    }
}
