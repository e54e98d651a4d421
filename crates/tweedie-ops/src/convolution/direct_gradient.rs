//! The gradient of a direct convolution by its weights:
//! `∂/∂w[o, i, tap] = Σ_p x[i, s·p + tap] ∂/∂y[o, p]`.

use crate::host::written;
use crate::layout::{Placement, channels_last};
use crate::product::{Left, PANEL, Right, product};
use crate::scratch::Scratch;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Computes the gradient by the weights, `[o, i, kh, kw]`.
pub(super) fn by_weights(
    (x, shape): (&[f32], [usize; 4]),
    (dy, [n, o, h, w]): (&[f32], [usize; 4]),
    place: Placement,
    (kernel, stride): ([usize; 2], [usize; 2]),
) -> Vec<f32> {
    let [kh, kw] = kernel;
    let (depth, width) = (shape[1], o.next_multiple_of(PANEL));
    let x = channels_last(x, shape, place, depth);
    let flat = Placement {
        size: [h, w],
        offset: [0, 0],
    };
    let dy = channels_last(dy, [n, o, h, w], flat, width);
    // The number of rows whose pixels fit into the cache.
    let band = (32_768 / (w * (depth + width)).max(1)).clamp(1, h.max(1));
    let mut sums = Scratch::take(width / PANEL * kh * kw * depth * PANEL);
    if n * h * w == 0 {
        return vec![0.0; o * depth * kh * kw];
    }
    let arch = Arch::new();
    let parts = sums.par_chunks_mut((kw * depth * PANEL).max(1)).enumerate();
    parts.for_each(|(part, sums)| {
        arch.dispatch(TapSums {
            x: &x,
            dy: &dy[part / kh * PANEL..],
            place,
            size: [n, h, w],
            stride,
            down: part % kh,
            widths: [depth, width],
            band,
            sums,
        });
    });
    let of_filter = depth * kh * kw;
    let write = |out: &mut [MaybeUninit<f32>]| {
        let filters = out.par_chunks_mut(of_filter.max(1)).enumerate();
        filters.for_each(|(to, out)| {
            let sums = &sums[to / PANEL * of_filter * PANEL + to % PANEL..];
            for (i, out) in out.iter_mut().enumerate() {
                let (from, tap) = (i / (kh * kw), i % (kh * kw));
                out.write(sums[(tap * depth + from) * PANEL]);
            }
        });
    };
    // SAFETY: every filter is one chunk, and the closure writes all of it.
    #[allow(unsafe_code, reason = "the gradient is not cleared first")]
    unsafe {
        written(o * of_filter, write)
    }
}

/// The sums for one row of the kernel and one panel of output channels: `[kw·depth][16]`.
struct TapSums<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    place: Placement,
    size: [usize; 3],
    stride: [usize; 2],
    down: usize,
    widths: [usize; 2],
    band: usize,
    sums: &'a mut [f32],
}

impl WithSimd for TapSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ([n, h, w], [depth, width]) = (self.size, self.widths);
        let [height, across] = self.place.size;
        let rows = self.sums.len() / PANEL;
        for image in 0..n {
            for row in (0..h).step_by(self.band) {
                let line = image * height + row * self.stride[0] + self.down;
                let left = Left {
                    start: line * across * depth,
                    row: 1,
                    step: self.stride[1] * depth,
                    depth: w,
                    segment: self.stride[0] * across * depth,
                    segments: self.band.min(h - row),
                };
                let right = Right {
                    values: &self.dy[(image * h + row) * w * width..],
                    stride: width,
                    segment: w * width,
                };
                let add = image > 0 || row > 0;
                product(simd, (self.x, left), right, (self.sums, PANEL), rows, add);
            }
        }
    }
}
