//! The kernels as differentiable operations on tensors of the CPU backend.

use super::direct::Reach;
use super::layout::Place;
use super::product::PANEL;
use super::weights::{Way, Weights};
use super::winograd::{POSITIONS, Tiles};
use super::{PackedWeights, Window, direct, gradient, winograd};
use crate::group_norm::total;
use crate::host::{Floats, is_host, tensor};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Tensor};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

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
    fn weights(&self, w: &FloatTensor<Flex>, way: Way) -> Arc<Weights> {
        let pack = || {
            let host = Floats::of(w);
            let [o, i, ..]: [usize; 4] = host.shape();
            Arc::new(Weights::pack(&host, [o, i], way))
        };
        match &self.kept {
            Some(kept) => kept.weights(w, way, pack),
            None => pack(),
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
            step: 1,
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

    /// Whether Winograd's algorithm takes less time for so many images with the same weights: products, a
    /// third more counted for its transforms, and weights to read, four times as many, each of which takes
    /// as long as eight products.
    fn by_tiles(
        &self,
        kernel: [usize; 2],
        channels: usize,
        size: [usize; 2],
        images: usize,
    ) -> bool {
        let tiles = Tiles::of(images, size).count;
        let by_tiles = POSITIONS * (tiles * 4 / 3 + 8) * channels.next_multiple_of(PANEL);
        let by_definition = 9 * (images * size[0] * size[1] + 8) * channels;
        self.window.stride == [1, 1] && kernel == [3, 3] && by_tiles < by_definition
    }
}

/// The weights last seen, and what they became.
type Memory = Option<(FloatTensor<Flex>, Vec<(Way, Arc<Weights>)>)>;

#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Memory>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl Kept {
    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn weights(
        &self,
        w: &FloatTensor<Flex>,
        key: Way,
        pack: impl FnOnce() -> Arc<Weights>,
    ) -> Arc<Weights> {
        let memory = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // As long as the tensor is held here, nobody writes to its memory or takes its place.
        let same = |held: &FloatTensor<Flex>| {
            let (a, b) = (held.storage::<f32>(), w.storage::<f32>());
            std::ptr::eq(a, b) && held.layout() == w.layout()
        };
        if let Some((held, packed)) = &*memory()
            && same(held)
            && let Some((_, found)) = packed.iter().find(|(k, _)| *k == key)
        {
            return Arc::clone(found);
        }
        // Packing shares its work with other threads, and this one may take up a task that asks for the
        // same weights: no lock is held meanwhile.
        let made = pack();
        let mut memory = memory();
        match &mut *memory {
            Some((held, packed)) if same(held) => {
                if !packed.iter().any(|(k, _)| *k == key) {
                    packed.push((key, Arc::clone(&made)));
                }
            }
            other => *other = Some((w.clone(), vec![(key, Arc::clone(&made))])),
        }
        made
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
        let y = match call.by_tiles(kernel, i, size, 1) {
            true => {
                let weights = call.weights(&w, Way::Forward);
                winograd::convolve(&x, shape, call.before(), (&weights, bias), size)
            }
            false => {
                let reach = call.reach(Way::Forward, kernel, seen, size);
                direct::convolve(&x, [n, i, o], &Floats::of(&w), bias, reach)
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
        let dx = match call.by_tiles([kh, kw], o, size, 1) {
            // The convolution of the gradient with the kernel turned.
            true => {
                let [top, left] = call.before();
                let weights = call.weights(&w, Way::Backward);
                winograd::convolve(&dy, shape, [2 - top, 2 - left], (&weights, None), size)
            }
            false => {
                let reach = call.reach(Way::Backward, [kh, kw], [rows, columns], size);
                direct::convolve(&dy, [n, o, i], &Floats::of(&w), None, reach)
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
        let dw = match call.by_tiles(kernel, channels, size, shape[0]) {
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
        tensor((0..channels).map(of_channel).collect(), [channels])
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
        struct State<T> {
            x: Option<T>,
            w: Option<T>,
            call: Arc<Call>,
            size: [usize; 2],
            kernel: [usize; 2],
        }

        impl<B: ConvolutionGradients> Backward<B, 3> for Convolve {
            type State = State<FloatTensor<B>>;

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                _: &mut Checkpointer,
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
                    let dx = B::by_input(dy.clone(), w, &call, size);
                    gradients.register::<B>(node.id, dx);
                }
                if let (Some(node), Some(x)) = (node_w, x) {
                    let dw = B::by_weight(x, dy, &call, kernel);
                    gradients.register::<B>(node.id, dw);
                }
            }
        }

        let nodes = [x.node(), w.node(), bias.node()];
        let (seeks_x, seeks_w) = (x.is_tracked(), w.is_tracked());
        let [x, w, bias] = [x, w, bias].map(|tensor| tensor.into_primitive());
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
        let y = B::convolution(x.clone(), w.clone(), bias, Arc::clone(&call));
        match Convolve.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(tape) => {
                let state = State {
                    x: seeks_w.then_some(x),
                    w: seeks_x.then_some(w),
                    call,
                    size: [rows, columns],
                    kernel: [kh, kw],
                };
                tape.finish(state, y)
            }
            OpsKind::UnTracked(tape) => tape.finish(y),
        }
    }
}
