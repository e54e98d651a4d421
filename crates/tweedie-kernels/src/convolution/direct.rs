//! Convolutions by their definition, any kernel and stride.

use super::layout::{Order, Place, channels_first, channels_last};
use super::product::{Left, PANEL, Right, product};
use super::scratch::Scratch;
use super::weights::Weights;
use super::winograd::parts;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// `[n, i, h, w]` to `[n, o, size]`, from images placed as given, every `stride`-th pixel.
pub(super) fn convolve(
    x: &[f32],
    shape: [usize; 4],
    place: Place,
    weights: &Weights,
    (size, stride): ([usize; 2], [usize; 2]),
) -> Vec<f32> {
    let [n, ..] = shape;
    let [h, w] = size;
    let panels = weights.panels();
    if n * h * w == 0 || panels == 0 {
        return Vec::new();
    }
    let x = channels_last(x, shape, place, weights.depth);
    // Rows of the output that are worked on together.
    let rows = (256 / w).clamp(1, h);
    let parts = parts(n * h.div_ceil(rows), panels);
    let (panels, width) = (panels / parts, panels / parts * PANEL);
    let mut y = Scratch::take(parts * n * h * w * width);
    let arch = Arch::new();
    y.par_chunks_mut(h * w * width)
        .enumerate()
        .flat_map(|(image, y)| {
            let bands = y.par_chunks_mut(rows * w * width).enumerate();
            bands.map(move |(band, y)| (image, band * rows, y))
        })
        .for_each(|(image, row, y)| {
            let part = image / n;
            arch.dispatch(Band {
                x: &x,
                across: place.size[1],
                first: (image % n * place.size[0] + row * stride[0]) * place.size[1],
                stride,
                columns: w,
                weights,
                panels: part * panels..(part + 1) * panels,
                y,
            });
        });
    channels_first(&y, [n, weights.output, h, w], panels, Order::Rows)
}

/// Some rows of the output, and some of its channels.
struct Band<'a> {
    x: &'a [f32],
    /// Pixels of a row of `x`.
    across: usize,
    /// The pixel of `x` where the band starts.
    first: usize,
    stride: [usize; 2],
    columns: usize,
    weights: &'a Weights,
    panels: std::ops::Range<usize>,
    /// `[row][column][channels]`.
    y: &'a mut [f32],
}

impl WithSimd for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (depth, width) = (self.weights.depth, self.panels.len() * PANEL);
        let [kh, kw] = self.weights.kernel;
        for (i, panel) in self.panels.clone().enumerate() {
            let right = Right {
                values: self.weights.panel(panel),
                stride: PANEL,
                segment: kw * depth * PANEL,
            };
            for (row, y) in self.y.chunks_exact_mut(self.columns * width).enumerate() {
                let left = Left {
                    start: (self.first + row * self.stride[0] * self.across) * depth,
                    row: self.stride[1] * depth,
                    step: 1,
                    depth: kw * depth,
                    segment: self.across * depth,
                    segments: kh,
                };
                let y = (&mut y[i * PANEL..], width);
                product(simd, (self.x, left), right, y, self.columns, false);
            }
        }
    }
}
