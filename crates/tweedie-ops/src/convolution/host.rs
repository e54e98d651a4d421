//! Convolution on the CPU: chooses between Winograd's algorithm and the direct one.

use super::direct::{DirectFilters, Reach, Way};
use super::extension::{Convolution, ConvolutionGradients};
use super::tiles::Tiles;
use super::transform::POSITIONS;
use super::weights::Weights;
use super::{ConvGeometry, direct, direct_gradient, winograd, winograd_gradient};
use crate::group_norm::total;
use crate::host::{Floats, tensor};
use crate::layout::Placement;
use crate::product::PANEL;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use rayon::prelude::*;

impl ConvGeometry {
    fn before(self) -> [usize; 2] {
        self.padding.map(|(before, _)| before)
    }

    /// Returns the part of the padded image that the outputs read.
    fn place(self, size: [usize; 2], kernel: [usize; 2]) -> Placement {
        Placement {
            size: [0, 1].map(|i| (size[i] - 1) * self.stride[i] + kernel[i]),
            offset: self.before(),
        }
    }

    /// Describes which pixels of an image of size `seen` an image of size `made` reads.
    fn reach(self, way: Way, kernel: [usize; 2], seen: [usize; 2], made: [usize; 2]) -> Reach {
        Reach {
            way,
            stride: self.stride[0],
            before: self.before(),
            kernel,
            seen,
            made,
        }
    }

    /// Returns whether Winograd's algorithm is faster for `images` images that share their weights.
    ///
    /// Cost model: Winograd wins if `36·tiles·4/3 + 320` multiplications per input channel are
    /// fewer than the `9·pixels` of direct convolution. The factor 4/3 accounts for the transforms
    /// of the tiles, 320 for the transform of a filter. (For one image of 8×8 pixels both take
    /// equally long; for a batch of them the direct one takes three times as long.)
    fn by_tiles(self, summed: usize, kernel: [usize; 2], size: [usize; 2], images: usize) -> bool {
        let tiles = Tiles::of(images, size).count;
        let by_tiles = (POSITIONS * tiles * 4 / 3 + 320) * summed.next_multiple_of(PANEL);
        let by_definition = 9 * images * size[0] * size[1] * summed;
        self.stride == [1, 1] && kernel == [3, 3] && by_tiles < by_definition
    }
}

/// Returns the values of the weights and the strides between output and between input channels.
/// Weights of 1×1 kernels are used as they lie in memory, even if transposed.
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
        window: ConvGeometry,
    ) -> FloatTensor<Self> {
        let ([o, i, kh, kw], x) = (w.shape().dims(), Floats::of(&x));
        let shape @ [n, _, rows, columns] = x.shape();
        let (kernel, seen) = ([kh, kw], [rows, columns]);
        let size = window.size(seen, kernel);
        let bias = Floats::of(&bias);
        let bias = (!bias.is_empty()).then_some(&*bias);
        let way = Way::Forward;
        let y = match window.by_tiles(i, kernel, size, 1) {
            true => {
                let values = &*Floats::of(&w);
                let weights = Weights {
                    values,
                    channels: [o, i],
                    way,
                };
                winograd::convolve(&x, shape, window.before(), (weights, bias), size)
            }
            false => {
                let reach = window.reach(way, kernel, seen, size);
                let (w, apart) = filters(w);
                let filters = DirectFilters { values: &w, apart };
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
        window: ConvGeometry,
        size: [usize; 2],
    ) -> FloatTensor<Self> {
        let ([o, i, kh, kw], dy) = (w.shape().dims(), Floats::of(&dy));
        let shape @ [n, _, rows, columns] = dy.shape();
        let way = Way::Backward;
        let dx = match window.by_tiles(o, [kh, kw], size, 1) {
            true => {
                let values = &*Floats::of(&w);
                let weights = Weights {
                    values,
                    channels: [o, i],
                    way,
                };
                // The taps are reversed, so the padding changes sides too.
                let offset = window.before().map(|before| 2 - before);
                winograd::convolve(&dy, shape, offset, (weights, None), size)
            }
            false => {
                let reach = window.reach(way, [kh, kw], [rows, columns], size);
                let (w, apart) = filters(w);
                let filters = DirectFilters { values: &w, apart };
                match reach.stride {
                    1 => direct::convolve(&dy, [n, o, i], filters, None, reach),
                    _ => direct::by_steps(&dy, [n, o, i], filters, reach),
                }
            }
        };
        tensor(dx, [n, i, size[0], size[1]])
    }

    fn by_weight(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        window: ConvGeometry,
        kernel: [usize; 2],
    ) -> FloatTensor<Self> {
        let (x, dy) = (Floats::of(&x), Floats::of(&dy));
        let (seen, shape): ([usize; 4], _) = (x.shape(), dy.shape());
        let [_, o, rows, columns] = shape;
        let (channels, size) = (seen[1], [rows, columns]);
        let dw = match window.by_tiles(channels, kernel, size, shape[0]) {
            true => winograd_gradient::by_weights((&x, seen), (&dy, shape), window.before()),
            false => {
                let place = window.place(size, kernel);
                let window = (kernel, window.stride);
                direct_gradient::by_weights((&x, seen), (&dy, shape), place, window)
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
