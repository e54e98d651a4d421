//! The gradient of a convolution by its weights: `∂/∂w[o, i, tap] = Σ x[i, s·p + tap] ∂/∂y[o, p]`.

use super::transform::{filter_transposed, output_transposed};
use super::winograd::{POSITIONS, TILE, Tiles, transform_input};
use crate::host::written;
use crate::layout::{Place, channels_last};
use crate::product::{Left, PANEL, Right, load, product, store};
use crate::scratch::Scratch;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Tiles whose transforms lie together.
const GROUP: usize = 16;

/// By Winograd's algorithm transposed: `Gᵀ [Σ (Bᵀ x B) ⊙ (A ∂y Aᵀ)] G`; `[o, i, 3, 3]`.
pub(super) fn winograd(
    (x, shape): (&[f32], [usize; 4]),
    (dy, [n, o, h, w]): (&[f32], [usize; 4]),
    offset: [usize; 2],
) -> Vec<f32> {
    let tiles = Tiles::of(n, [h, w]);
    let input = shape[1];
    let (depth, width) = (input.next_multiple_of(PANEL), o.next_multiple_of(PANEL));
    let place = Place {
        size: tiles.padded(),
        offset,
    };
    let x = channels_last(x, shape, place, depth);
    let inner = Place {
        size: tiles.grid.map(|n| n * TILE),
        offset: [0, 0],
    };
    let dy = channels_last(dy, [n, o, h, w], inner, width);
    // As many at a time as make the transforms and the sums travel alike.
    let groups = (2 * depth * width / (depth + width)).clamp(64, 512) / GROUP;
    let groups = groups.min(tiles.count.div_ceil(GROUP));
    let (left, right) = (POSITIONS * GROUP * depth, POSITIONS * GROUP * width);
    let mut seen = Scratch::take(groups * left);
    let mut wanted = Scratch::take(groups * right);
    let panels = width / PANEL;
    let mut sums = Scratch::take(panels * POSITIONS * depth * PANEL);
    let arch = Arch::new();
    for first in (0..tiles.count).step_by((groups * GROUP).max(1)) {
        let pairs = seen
            .par_chunks_mut(left)
            .zip(wanted.par_chunks_mut(right))
            .enumerate();
        pairs.for_each(|(group, (seen, wanted))| {
            arch.dispatch(Transforms {
                x: (&x, depth),
                dy: (&dy, width),
                tiles,
                first: first + group * GROUP,
                seen,
                wanted,
            });
        });
        let parts = sums.par_chunks_mut(depth * PANEL).enumerate();
        parts.for_each(|(part, sums)| {
            let (panel, position) = (part / POSITIONS, part % POSITIONS);
            arch.dispatch(Sums {
                seen: (&seen, left, position * GROUP * depth),
                wanted: (&wanted, right, (position * panels + panel) * GROUP * PANEL),
                groups,
                sums,
                add: first > 0,
            });
        });
    }
    let write = |out: &mut [MaybeUninit<f32>]| {
        let chunks = out.par_chunks_mut((PANEL * input * 9).max(1)).enumerate();
        chunks.for_each(|(panel, out)| {
            arch.dispatch(Filters {
                sums: &sums[panel * POSITIONS * depth * PANEL..],
                depth,
                input,
                out,
            });
        });
    };
    // SAFETY: every panel writes the nine taps of all its filters.
    #[allow(unsafe_code, reason = "the gradient is not cleared first")]
    unsafe {
        written(o * input * 9, write)
    }
}

/// The transforms of [`GROUP`] tiles, `[position][panel][tile][16]`.
struct Transforms<'a> {
    x: (&'a [f32], usize),
    dy: (&'a [f32], usize),
    tiles: Tiles,
    first: usize,
    seen: &'a mut [f32],
    wanted: &'a mut [f32],
}

impl WithSimd for Transforms<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((x, depth), (dy, width)) = (self.x, self.dy);
        let padded = self.tiles.padded();
        let inner = self.tiles.grid.map(|n| n * TILE);
        let at = |width: usize, t: usize| {
            move |position: usize, channel: usize| {
                let panel = position * (width / PANEL) + channel / PANEL;
                (panel * GROUP + t) * PANEL + channel % PANEL
            }
        };
        for t in 0..GROUP {
            let tile = self.first + t;
            if tile >= self.tiles.count {
                // What is missing adds nothing.
                for (width, out) in [(depth, &mut *self.seen), (width, &mut *self.wanted)] {
                    for position in 0..POSITIONS {
                        for channel in (0..width).step_by(PANEL) {
                            let at = at(width, t)(position, channel);
                            out[at..at + PANEL].fill(0.0);
                        }
                    }
                }
                continue;
            }
            let x = &x[self.tiles.start(tile, padded) * depth..];
            transform_input(simd, (x, padded[1] * depth), depth, self.seen, at(depth, t));
            let dy = &dy[self.tiles.start(tile, inner) * width..];
            let line = inner[1] * width;
            transform_gradient(simd, (dy, line), width, self.wanted, at(width, t));
        }
    }
}

/// `A ∂y Aᵀ` of one tile, all channels.
#[inline(always)]
pub(super) fn transform_gradient<S: Simd>(
    simd: S,
    (dy, line): (&[f32], usize),
    width: usize,
    out: &mut [f32],
    place: impl Fn(usize, usize) -> usize,
) {
    let zero = simd.splat_f32s(0.0);
    for channel in (0..width).step_by(S::F32_LANES) {
        let mut columns = [[zero; 6]; 4];
        for (j, column) in columns.iter_mut().enumerate() {
            let y = std::array::from_fn(|i| load::<S>(&dy[i * line + j * width + channel..]));
            *column = output_transposed(simd, y);
        }
        for i in 0..6 {
            let row = output_transposed(simd, std::array::from_fn(|j| columns[j][i]));
            for (j, value) in row.into_iter().enumerate() {
                store::<S>(&mut out[place(6 * i + j, channel)..], value);
            }
        }
    }
}

/// One position and one panel: `[depth][16]`, from transforms that are so far apart and start there.
struct Sums<'a> {
    seen: (&'a [f32], usize, usize),
    wanted: (&'a [f32], usize, usize),
    groups: usize,
    sums: &'a mut [f32],
    add: bool,
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((seen, left, start), (wanted, right, panel)) = (self.seen, self.wanted);
        let right = Right {
            values: &wanted[panel..],
            stride: PANEL,
            segment: right,
        };
        for (i, sums) in self.sums.chunks_exact_mut(PANEL * PANEL).enumerate() {
            let left = Left {
                start: start + i * GROUP * PANEL,
                row: 1,
                step: PANEL,
                depth: GROUP,
                segment: left,
                segments: self.groups,
            };
            product(simd, (seen, left), right, (sums, PANEL), PANEL, self.add);
        }
    }
}

/// The gradients of 16 filters, from their transforms.
struct Filters<'a> {
    sums: &'a [f32],
    depth: usize,
    input: usize,
    out: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for Filters<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for channel in 0..self.input {
            let sums = &self.sums[channel * PANEL..];
            let taps = filter_transposed(simd, sums, self.depth * PANEL);
            for (lane, out) in self.out.chunks_exact_mut(self.input * 9).enumerate() {
                let out = &mut out[channel * 9..][..9];
                for (out, values) in out.iter_mut().zip(&taps) {
                    out.write(values[lane]);
                }
            }
        }
    }
}

/// By the definition; `[o, i, kh, kw]`.
pub(super) fn direct(
    (x, shape): (&[f32], [usize; 4]),
    (dy, [n, o, h, w]): (&[f32], [usize; 4]),
    place: Place,
    (kernel, stride): ([usize; 2], [usize; 2]),
) -> Vec<f32> {
    let [kh, kw] = kernel;
    let (depth, width) = (shape[1], o.next_multiple_of(PANEL));
    let x = channels_last(x, shape, place, depth);
    let flat = Place {
        size: [h, w],
        offset: [0, 0],
    };
    let dy = channels_last(dy, [n, o, h, w], flat, width);
    // Rows whose pixels stay in the cache.
    let band = (32_768 / (w * (depth + width)).max(1)).clamp(1, h.max(1));
    let mut sums = Scratch::take(width / PANEL * kh * kw * depth * PANEL);
    if n * h * w == 0 {
        return vec![0.0; o * depth * kh * kw];
    }
    let arch = Arch::new();
    let parts = sums.par_chunks_mut((kw * depth * PANEL).max(1)).enumerate();
    parts.for_each(|(part, sums)| {
        arch.dispatch(Taps {
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
    // SAFETY: every filter is a chunk, and written whole.
    #[allow(unsafe_code, reason = "the gradient is not cleared first")]
    unsafe {
        written(o * of_filter, write)
    }
}

/// One row of the kernel and one panel: `[kw·depth][16]`.
struct Taps<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    place: Place,
    size: [usize; 3],
    stride: [usize; 2],
    down: usize,
    widths: [usize; 2],
    band: usize,
    sums: &'a mut [f32],
}

impl WithSimd for Taps<'_> {
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
