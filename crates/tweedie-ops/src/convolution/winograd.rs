//! Winograd convolution for 3×3 kernels and stride 1, and its gradient by the input, in tiles of
//! 4×4 pixels.
//!
//! Up to 96 tiles are transformed in all channels. Then, for 16 output channels at a time, the
//! weights of 64 input channels are transformed, which fit into the cache, and multiplied with
//! these tiles. The transformed weights, four times as large as the weights, are never in memory as
//! a whole.

use super::tiles::{Made, Seen, TILE, Tiles};
use super::transform::{Input, Output, OutputTransposed, POSITIONS, both_ways};
use super::weights::{TransformedFilters, Weights};
use crate::host::written;
use crate::product::{Left, PANEL, Right, load, product, store};
use crate::scratch::Scratch;
use crate::shared::SharedSlice;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Groups of 16 channels whose weights are transformed together; the result stays in the cache.
const TOGETHER: usize = 4;

/// Returns the number of tiles per block, at most 96, such that all blocks are about equally large.
/// The blocks are large enough that transforming the weights for each of them costs little: a
/// filter costs as much as about nine tiles, see `by_tiles`.
fn tiles_of_block(tiles: usize) -> usize {
    const MOST: usize = 96;
    tiles.div_ceil(tiles.div_ceil(MOST))
}

/// Returns the stride between positions: an odd number of panels, so that positions do not map to
/// the same cache set.
pub(super) fn apart(numbers: usize) -> usize {
    ((numbers / PANEL + 1) | 1) * PANEL
}

/// Convolves `[n, c, h, w]` to `[n, to, size]`; `offset` is the place of the first pixel in the
/// padded image.
pub(super) fn convolve(
    x: &[f32],
    shape: [usize; 4],
    offset: [usize; 2],
    (weights, bias): (Weights<'_>, Option<&[f32]>),
    size: [usize; 2],
) -> Vec<f32> {
    let [n, from, ..] = shape;
    let to = weights.outputs();
    let tiles = Tiles::of(n, size);
    if tiles.count * to == 0 {
        return Vec::new();
    }
    let block = tiles_of_block(tiles.count);
    let blocks = tiles.count.div_ceil(block);
    let length = POSITIONS * apart(block * PANEL);
    let (groups, panels) = (from.div_ceil(PANEL), to.div_ceil(PANEL));
    // The blocks are shared among parallel parts if the panels of one block do not occupy all
    // threads.
    let parts = rayon::current_num_threads().div_ceil(panels).min(blocks);
    let arch = Arch::new();
    let write = |out: &mut [MaybeUninit<f32>]| {
        let out = &SharedSlice::new(out);
        let made = Made {
            out,
            bias,
            channels: to,
            size,
        };
        (0..parts).into_par_iter().for_each(|part| {
            let mut seen = Scratch::take(groups * length);
            for i in part * blocks / parts..(part + 1) * blocks / parts {
                let range = i * block..tiles.count.min((i + 1) * block);
                let of_groups = seen.par_chunks_mut(length).enumerate();
                of_groups.for_each(|(group, out)| {
                    arch.dispatch(Transforms {
                        side: TransformedSide::Seen,
                        seen: Seen { x, shape, offset },
                        tiles,
                        range: range.clone(),
                        channel: group * PANEL,
                        out,
                    });
                });
                (0..panels).into_par_iter().for_each(|panel| {
                    arch.dispatch(TilePanel {
                        seen: &seen,
                        groups,
                        tiles,
                        range: range.clone(),
                        filters: weights.filters(panel),
                        made,
                    });
                });
            }
        });
    };
    // SAFETY: every pixel of every channel belongs to one tile of one panel.
    #[allow(unsafe_code, reason = "the output is not cleared first")]
    unsafe {
        written(n * to * size[0] * size[1], write)
    }
}

/// Which side of the convolution is transformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransformedSide {
    /// The input of a tile: `Bᵀ x B`.
    Seen,
    /// The gradient by the output of a tile: `A ∂y Aᵀ`.
    Made,
}

/// Transforms a block of tiles in 16 channels: `[position][tile][16]`.
pub(super) struct Transforms<'a> {
    pub(super) side: TransformedSide,
    pub(super) seen: Seen<'a>,
    pub(super) tiles: Tiles,
    pub(super) range: Range<usize>,
    pub(super) channel: usize,
    pub(super) out: &'a mut [f32],
}

impl WithSimd for Transforms<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let apart = self.out.len() / POSITIONS;
        let edge = match self.side {
            TransformedSide::Seen => 2,
            TransformedSide::Made => 0,
        };
        // Buffer for the longest run.
        let longest = self.tiles.across(self.range.len()) * TILE + edge;
        let mut pixels = Scratch::take((TILE + edge) * longest * PANEL);
        for run in self.tiles.runs(self.range) {
            let across = run.count * TILE + edge;
            let pixels = &mut pixels[..(TILE + edge) * across * PANEL];
            self.seen.gather(run, self.channel, pixels, across);
            for t in 0..run.count {
                for channel in (0..PANEL).step_by(S::F32_LANES) {
                    let (pixels, out) = (&pixels[channel..], &mut self.out[channel..]);
                    let x = |i, j| load::<S>(&pixels[(i * across + t * TILE + j) * PANEL..]);
                    let y = |i, j, value| {
                        let at = (6 * i + j) * apart + (run.first + t) * PANEL;
                        store::<S>(&mut out[at..], value);
                    };
                    match self.side {
                        TransformedSide::Seen => both_ways(simd, Input, x, y),
                        TransformedSide::Made => both_ways(simd, OutputTransposed, x, y),
                    }
                }
            }
        }
    }
}

/// Computes a block of tiles in up to 16 output channels.
struct TilePanel<'a> {
    /// `[group of 16 channels][position][tile][16]`.
    seen: &'a [f32],
    groups: usize,
    tiles: Tiles,
    range: Range<usize>,
    filters: TransformedFilters<'a>,
    made: Made<'a>,
}

impl WithSimd for TilePanel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (count, length) = (self.range.len(), self.seen.len() / self.groups);
        let [from, to] = [length / POSITIONS, apart(count * PANEL)];
        let mut weights = Scratch::take(POSITIONS * apart(TOGETHER * PANEL * PANEL));
        let mut made = Scratch::take(POSITIONS * to);
        for first in (0..self.groups).step_by(TOGETHER) {
            let some = TOGETHER.min(self.groups - first);
            let channels = first * PANEL..(first + some) * PANEL;
            self.filters.transform(simd, channels, &mut weights);
            let weights = weights.chunks_exact(weights.len() / POSITIONS);
            for (position, values) in weights.enumerate() {
                let left = Left {
                    start: first * length + position * from,
                    row: PANEL,
                    step: 1,
                    depth: PANEL,
                    segment: length,
                    segments: some,
                };
                let right = Right {
                    values,
                    stride: PANEL,
                    segment: PANEL * PANEL,
                };
                let (a, made) = ((self.seen, left), &mut made[position * to..]);
                product(simd, a, right, (made, PANEL), count, first > 0);
            }
        }
        let longest = self.tiles.across(self.range.len()) * TILE;
        let mut pixels = Scratch::take(TILE * longest * PANEL);
        for run in self.tiles.runs(self.range) {
            let line = run.count * TILE * PANEL;
            let pixels = &mut pixels[..TILE * line];
            for t in 0..run.count {
                for channel in (0..PANEL).step_by(S::F32_LANES) {
                    let made = &made[(run.first + t) * PANEL + channel..];
                    let x = |i, j| load::<S>(&made[(6 * i + j) * to..]);
                    let y = |i, j, value| {
                        let at = i * line + (t * TILE + j) * PANEL + channel;
                        store::<S>(&mut pixels[at..], value);
                    };
                    both_ways(simd, Output, x, y);
                }
            }
            self.made.scatter(run, pixels, self.filters.to.clone());
        }
    }
}
