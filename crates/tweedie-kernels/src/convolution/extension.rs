//! The kernels as differentiable operations on tensors of the CPU backend.

use super::direct::{Filters, Reach, Way};
use super::kept::{Kept, pack};
use super::weights::Weights;
use super::winograd::{POSITIONS, Tiles};
use super::{PackedWeights, Window, adjoint, direct, gradient, winograd};
use crate::group_norm::total;
use crate::host::{Floats, is_host, tensor};
use crate::layout::Place;
use crate::product::PANEL;
use crate::scratch::Scratch;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Whether the kernels compute it.
pub(super) fn takes(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    window: Window,
) -> bool {
    let ([_, i, h, w], [_, from, kh, kw]) = (x.dims(), weight.dims());
    let [(top, bottom), (left, right)] = window.padding;
    let fits = |n: usize, k: usize, before: usize, after: usize| {
        before < k && after < k && n + before + after >= k
    };
    let biases = bias.map_or(DType::F32, Tensor::dtype);
    let floats = [x.dtype(), weight.dtype(), biases] == [DType::F32; 3];
    // Gradients step by one distance in both directions.
    let stride = window.stride[0] == window.stride[1] && window.stride[0] > 0;
    let shapes = i == from && fits(h, kh, top, bottom) && fits(w, kw, left, right);
    let some = [x.dims(), weight.dims()]
        .as_flattened()
        .iter()
        .all(|&n| n > 0);
    floats && stride && shapes && some && is_host(x)
}

/// See [`super::conv2d`].
pub(super) fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    window: Window,
    packed: &PackedWeights,
) -> Tensor<4> {
    // An extension takes tensors only: no bias is one of no channels.
    let bias = bias.unwrap_or_else(|| Tensor::zeros([0], (&weight.device(), DType::F32)));
    let call = Arc::new(Call {
        window,
        kept: Some(packed.kept.clone()),
    });
    let [x, weight] = [x, weight].map(Tensor::into_dispatch);
    let y = Dispatch::convolution(x, weight, bias.into_dispatch(), call);
    Tensor::from_dispatch(y)
}

/// What is not a tensor.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    window: Window,
    /// None where weights are about to change.
    kept: Option<Kept>,
}

impl Call {
    /// The packed weights, kept or new.
    fn weights(&self, w: &FloatTensor<Flex>) -> Arc<Weights> {
        match &self.kept {
            Some(kept) => kept.weights(w),
            None => Arc::new(pack(w, Scratch::take)),
        }
    }

    /// Height and width of the output.
    fn size(&self, [h, w]: [usize; 2], [kh, kw]: [usize; 2]) -> [usize; 2] {
        let [(top, bottom), (left, right)] = self.window.padding;
        let [down, across] = self.window.stride;
        [
            (h + top + bottom - kh) / down + 1,
            (w + left + right - kw) / across + 1,
        ]
    }

    fn before(&self) -> [usize; 2] {
        self.window.padding.map(|(before, _)| before)
    }

    /// The padded images that the outputs read.
    fn place(&self, size: [usize; 2], kernel: [usize; 2]) -> Place {
        Place {
            size: [0, 1].map(|i| (size[i] - 1) * self.window.stride[i] + kernel[i]),
            offset: self.before(),
        }
    }

    /// From an image of one size to one of another.
    fn reach(&self, way: Way, kernel: [usize; 2], seen: [usize; 2], made: [usize; 2]) -> Reach {
        Reach {
            way,
            stride: self.window.stride[0],
            before: self.before(),
            kernel,
            seen,
            made,
        }
    }

    /// Whether Winograd's algorithm is the better one for so many images with the same weights, `[channels made, channels
    /// summed, kernel]`: products,
    /// a third more counted for its transforms, and weights to read, four times as many, each of which counts
    /// as eight products, or as sixteen where they are more than 16 MB. (One image of 8×8 pixels then takes as long by the
    /// definition, with a quarter of the memory.)
    fn by_tiles(&self, weight: [usize; 4], size: [usize; 2], images: usize) -> bool {
        let [o, i, kernel @ ..] = weight;
        let reading = if POSITIONS * o * i > 1 << 22 { 16 } else { 8 };
        let tiles = Tiles::of(images, size).count;
        let by_tiles = POSITIONS * (tiles * 4 / 3 + reading) * i.next_multiple_of(PANEL);
        let by_definition = 9 * (images * size[0] * size[1] + reading) * i;
        self.window.stride == [1, 1] && kernel == [3, 3] && by_tiles < by_definition
    }
}

/// The numbers of weights, and how far channels are apart, out and in. Those of kernels 1×1 are taken as they
/// lie in memory, transposed if they are.
fn filters(w: FloatTensor<Flex>) -> (Floats, [usize; 2]) {
    let [_, i, kh, kw] = w.shape().dims();
    let strides = [0, 1].map(|axis| usize::try_from(w.layout().strides()[axis]).unwrap_or(0));
    match kh * kw == 1 && !strides.contains(&0) {
        true => (Floats::as_they_lie(w), strides),
        false => (Floats::of(&w), [i * kh * kw, kh * kw]),
    }
}

/// The extension.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait Convolution: Backend {
    /// `y`.
    fn convolution(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        call: Arc<Call>,
    ) -> FloatTensor<Self>;
}

/// Its gradients.
pub(crate) trait ConvolutionGradients: Backend {
    /// `∂/∂x`, of height and width `size`, from `∂/∂y`.
    fn by_input(
        dy: FloatTensor<Self>,
        w: FloatTensor<Self>,
        call: &Call,
        size: [usize; 2],
    ) -> FloatTensor<Self>;

    /// `∂/∂w`, of height and width `kernel`, from `∂/∂y`.
    fn by_weight(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        call: &Call,
        kernel: [usize; 2],
    ) -> FloatTensor<Self>;

    /// `∂/∂b` from `∂/∂y`.
    fn by_bias(dy: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Convolution for Flex {
    fn convolution(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        call: Arc<Call>,
    ) -> FloatTensor<Self> {
        let ([o, i, kh, kw], x) = (w.shape().dims(), Floats::of(&x));
        let shape @ [n, _, rows, columns] = x.shape();
        let (kernel, seen) = ([kh, kw], [rows, columns]);
        let size = call.size(seen, kernel);
        let bias = Floats::of(&bias);
        let bias = (!bias.is_empty()).then_some(&*bias);
        let y = match call.by_tiles([o, i, kh, kw], size, 1) {
            true => {
                let weights = call.weights(&w);
                winograd::convolve(&x, shape, call.before(), (&weights, bias), size)
            }
            false => {
                let reach = call.reach(Way::Forward, kernel, seen, size);
                let (w, apart) = filters(w);
                let filters = Filters { values: &w, apart };
                direct::convolve(&x, [n, i, o], filters, bias, reach)
            }
        };
        tensor(y, [n, o, size[0], size[1]])
    }
}

impl ConvolutionGradients for Flex {
    fn by_input(
        dy: FloatTensor<Self>,
        w: FloatTensor<Self>,
        call: &Call,
        size: [usize; 2],
    ) -> FloatTensor<Self> {
        let ([o, i, kh, kw], dy) = (w.shape().dims(), Floats::of(&dy));
        let shape = dy.shape();
        let [n, _, rows, columns] = shape;
        let dx = match call.by_tiles([i, o, kh, kw], size, 1) {
            true => {
                let weights = call.weights(&w);
                adjoint::convolve((&dy, shape), call.before(), (&weights, i), size)
            }
            false => {
                let reach = call.reach(Way::Backward, [kh, kw], [rows, columns], size);
                let (w, apart) = filters(w);
                let filters = Filters { values: &w, apart };
                match reach.stride {
                    1 => direct::convolve(&dy, [n, o, i], filters, None, reach),
                    _ => direct::by_steps(&dy, [n, o, i], filters, reach),
                }
            }
        };
        tensor(dx, [shape[0], i, size[0], size[1]])
    }

    fn by_weight(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        call: &Call,
        kernel: [usize; 2],
    ) -> FloatTensor<Self> {
        let (x, dy) = (Floats::of(&x), Floats::of(&dy));
        let (seen, shape): ([usize; 4], _) = (x.shape(), dy.shape());
        let [_, o, rows, columns] = shape;
        let (channels, size) = (seen[1], [rows, columns]);
        let dw = match call.by_tiles([o, channels, kernel[0], kernel[1]], size, shape[0]) {
            true => gradient::winograd((&x, seen), (&dy, shape), call.before()),
            false => {
                let place = call.place(size, kernel);
                let window = (kernel, call.window.stride);
                gradient::direct((&x, seen), (&dy, shape), place, window)
            }
        };
        tensor(dw, [o, channels, kernel[0], kernel[1]])
    }

    fn by_bias(dy: FloatTensor<Self>) -> FloatTensor<Self> {
        let dy = Floats::of(&dy);
        let [_, channels, h, w] = dy.shape();
        let of_channel = |channel: usize| {
            let planes = dy
                .chunks_exact((h * w).max(1))
                .skip(channel)
                .step_by(channels);
            planes.map(total).sum::<f64>() as f32
        };
        let all = (0..channels).into_par_iter().map(of_channel);
        tensor(all.collect(), [channels])
    }
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
        call: Arc<Call>,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Convolve;

        /// Each factor is kept if the other one is tracked.
        #[derive(Clone, Debug)]
        struct State {
            x: Option<NodeId>,
            w: Option<NodeId>,
            call: Arc<Call>,
            size: [usize; 2],
            kernel: [usize; 2],
        }

        impl<B: ConvolutionGradients> Backward<B, 3> for Convolve {
            type State = State;

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                kept: &mut Checkpointer,
            ) {
                let State {
                    x,
                    w,
                    call,
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
                    let dx = B::by_input(dy.clone(), w, &call, size);
                    gradients.register::<B>(node.id, dx);
                }
                if let (Some(node), Some(x)) = (node_w, x) {
                    let x = kept.retrieve_node_output(x);
                    let dw = B::by_weight(x, dy, &call, kernel);
                    gradients.register::<B>(node.id, dw);
                }
            }
        }

        let (seeks_x, seeks_w) = (x.is_tracked(), w.is_tracked());
        // Weights that are being trained are others the next time.
        let call = match &call.kept {
            Some(kept) if seeks_w => {
                kept.forget();
                let window = call.window;
                Arc::new(Call { window, kept: None })
            }
            _ => call,
        };
        let [.., rows, columns] = x.shape().dims::<4>();
        let [.., kh, kw] = w.shape().dims::<4>();
        let prepared = Convolve.prepare::<C>([x.node(), w.node(), bias.node()]);
        let run = |[x, w, bias]: [FloatTensor<Self>; 3]| {
            let [x, w, bias] = [x, w, bias].map(|tensor| tensor.into_primitive());
            B::convolution(x, w, bias, Arc::clone(&call))
        };
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(mut tape) => {
                let state = State {
                    x: seeks_w.then(|| tape.checkpoint(&x)),
                    w: seeks_x.then(|| tape.checkpoint(&w)),
                    call: Arc::clone(&call),
                    size: [rows, columns],
                    kernel: [kh, kw],
                };
                tape.finish(state, run([x, w, bias]))
            }
            OpsKind::UnTracked(tape) => tape.finish(run([x, w, bias])),
        }
    }
}
