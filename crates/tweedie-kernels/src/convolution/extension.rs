//! The kernels as differentiable operations on tensors of the CPU backend.

use super::layout::Place;
use super::weights::{Algorithm, Way, Weights};
use super::winograd::{POSITIONS, Tiles};
use super::{PackedWeights, Window, direct, gradient, winograd};
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
pub(super) fn takes(x: &Tensor<4>, weight: &Tensor<4>, window: Window) -> bool {
    let ([_, i, h, w], [_, from, kh, kw]) = (x.dims(), weight.dims());
    let [(top, bottom), (left, right)] = window.padding;
    let fits = |n: usize, k: usize, before: usize, after: usize| {
        before < k && after < k && n + before + after >= k
    };
    let floats = x.dtype() == DType::F32 && weight.dtype() == DType::F32;
    // Gradients step by one distance in both directions.
    let stride = window.stride[0] == window.stride[1] && window.stride[0] > 0;
    let shapes = i == from && fits(h, kh, top, bottom) && fits(w, kw, left, right);
    let some = [x.dims(), weight.dims()]
        .as_flattened()
        .iter()
        .all(|&n| n > 0);
    floats && stride && shapes && some && is_host(x)
}

/// See [`super::conv2d`], without the bias.
pub(super) fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    window: Window,
    packed: &PackedWeights,
) -> Tensor<4> {
    let call = Arc::new(Call {
        window,
        kept: Some(packed.kept.clone()),
    });
    let y = Dispatch::convolution(x.into_dispatch(), weight.into_dispatch(), call);
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
    fn weights(&self, w: &FloatTensor<Flex>, way: Way, algorithm: Algorithm) -> Arc<Weights> {
        let pack = || {
            let host = Floats::of(w);
            Arc::new(Weights::pack(&host, host.shape(), way, algorithm))
        };
        match &self.kept {
            Some(kept) => kept.weights(w, (way, algorithm), pack),
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

    fn steps_by_one(&self) -> bool {
        self.window.stride == [1, 1]
    }
}

/// Winograd's algorithm where it takes less time for so many images with the same weights: products, a
/// third more counted for its transforms, and weights to read, four times as many, each of which takes as
/// long as 16 products.
fn algorithm(kernel: [usize; 2], channels: usize, size: [usize; 2], images: usize) -> Algorithm {
    let tiles = Tiles::of(images, size).count;
    let stored = channels.next_multiple_of(super::product::PANEL);
    let by_tiles = POSITIONS * (tiles * 4 / 3 + 16) * stored;
    let by_definition = 9 * (images * size[0] * size[1] + 16) * channels;
    match kernel == [3, 3] && by_tiles < by_definition {
        true => Algorithm::Winograd,
        false => Algorithm::Direct,
    }
}

/// The weights last seen, and what they became.
type Memory = Option<(FloatTensor<Flex>, Vec<((Way, Algorithm), Arc<Weights>)>)>;

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
        key: (Way, Algorithm),
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
}

impl Convolution for Flex {
    fn convolution(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        call: Arc<Call>,
    ) -> FloatTensor<Self> {
        let ([o, i, kh, kw], x) = (w.shape().dims(), Floats::of(&x));
        let shape @ [n, _, rows, columns] = x.shape();
        let size = call.size([rows, columns], [kh, kw]);
        let algorithm = match call.steps_by_one() {
            true => algorithm([kh, kw], i, size, 1),
            false => Algorithm::Direct,
        };
        let weights = call.weights(&w, Way::Forward, algorithm);
        let y = match algorithm {
            Algorithm::Winograd => winograd::convolve(&x, shape, call.before(), &weights, size),
            Algorithm::Direct => {
                let place = call.place(size, [kh, kw]);
                direct::convolve(&x, shape, place, &weights, (size, call.window.stride))
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
        // The convolution of the gradient with the kernel turned.
        let [top, left] = call.before();
        let offset = [kh - 1 - top, kw - 1 - left];
        let algorithm = match call.steps_by_one() {
            true => algorithm([kh, kw], o, size, 1),
            false => Algorithm::Direct,
        };
        let weights = call.weights(&w, Way::Backward, algorithm);
        let dx = match algorithm {
            Algorithm::Winograd => winograd::convolve(&dy, shape, offset, &weights, size),
            Algorithm::Direct => {
                let place = Place {
                    size: [size[0] + kh - 1, size[1] + kw - 1],
                    offset,
                    step: call.window.stride[0],
                };
                direct::convolve(&dy, shape, place, &weights, (size, [1, 1]))
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
        let by_tiles = call.steps_by_one()
            && algorithm(kernel, channels, size, shape[0]) == Algorithm::Winograd;
        let dw = match by_tiles {
            true => gradient::winograd((&x, seen), (&dy, shape), call.before()),
            false => {
                let place = call.place(size, kernel);
                let window = (kernel, call.window.stride);
                gradient::direct((&x, seen), (&dy, shape), place, window)
            }
        };
        tensor(dw, [o, channels, kernel[0], kernel[1]])
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

        impl<B: ConvolutionGradients> Backward<B, 2> for Convolve {
            type State = State<FloatTensor<B>>;

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
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
                let [node_x, node_w] = ops.parents;
                let dy = gradients.consume::<B>(&ops.node);
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

        let nodes = [x.node(), w.node()];
        let (seeks_x, seeks_w) = (x.is_tracked(), w.is_tracked());
        let (x, w) = (x.into_primitive(), w.into_primitive());
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
        let y = B::convolution(x.clone(), w.clone(), Arc::clone(&call));
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
