//! The kernels of the CPU.

use super::direct::{Filters, Reach, Way};
use super::extension::{Call, Convolution, ConvolutionGradients};
use super::kept::pack;
use super::weights::Weights;
use super::winograd::{POSITIONS, Tiles};
use super::{adjoint, direct, gradient, winograd};
use crate::group_norm::total;
use crate::host::{Floats, tensor};
use crate::layout::Place;
use crate::product::PANEL;
use crate::scratch::Scratch;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use rayon::prelude::*;
use std::sync::Arc;

impl Call {
    /// The packed weights, kept or new.
    fn weights(&self, w: &FloatTensor<Flex>) -> Arc<Weights> {
        match &self.kept {
            Some(kept) => kept.weights(w),
            None => Arc::new(pack(w, Scratch::take)),
        }
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
        call: Arc<Call>,
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
        call: Arc<Call>,
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
