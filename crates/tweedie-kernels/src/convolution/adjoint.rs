//! The gradient of a convolution by its input, by Winograd's algorithm transposed:
//! `∂x = B [Σ_o U ⊙ (A ∂y Aᵀ)] Bᵀ` tile by tile, with the weights of the forward pass; where the
//! tiles of the input overlap, they are summed.

use super::gradient::transform_gradient;
use super::transform::input_transposed;
use super::weights::Weights;
use super::winograd::{Made, POSITIONS, Run, Seen, TILE, Tiles, tiles_of_block};
use crate::host::written;
use crate::layout::turn;
use crate::product::{Left, PANEL, Right, load, product, store};
use crate::scratch::Scratch;
use crate::shared::Shared;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows and columns that a tile reads.
const REACH: usize = TILE + 2;

/// `[n, o, h, w]` to `[n, i, size]`; `offset` is where the first pixel of the input lies in the padded
/// image.
pub(super) fn convolve(
    (dy, shape): (&[f32], [usize; 4]),
    offset: [usize; 2],
    (weights, input): (&Weights, usize),
    size: [usize; 2],
) -> Vec<f32> {
    let [n, _, h, w] = shape;
    let of_image = Tiles::of(1, [h, w]).count;
    if n * of_image * input == 0 {
        return vec![0.0; n * input * size[0] * size[1]];
    }
    let padded = Tiles::of(n, [h, w]).padded();
    assert!(
        (0..2).all(|i| offset[i] + size[i] <= padded[i]),
        "the input lies in what the output reads"
    );
    // Images that are worked on together, or into how many parts the channels of one are cut.
    let threads = rayon::current_num_threads();
    let images = (64 / of_image).clamp(1, n.div_ceil(threads));
    let groups = n.div_ceil(images);
    let panels = input.div_ceil(PANEL);
    let fits = |parts: &usize| panels.is_multiple_of(*parts) && groups * *parts <= threads;
    let parts = (1..=panels).rev().find(fits).unwrap_or(1);
    let write = |out: &mut [MaybeUninit<f32>]| {
        let images_of = |group: usize| group * images..n.min((group + 1) * images);
        let made = Made {
            out: &Shared::new(out),
            bias: None,
            channels: input,
            size,
        };
        (0..groups).into_par_iter().for_each(|group| {
            let images = images_of(group);
            let adjoint = Adjoint {
                seen: Seen {
                    x: dy,
                    shape,
                    offset: [0, 0],
                },
                made,
                offset,
                tiles: Tiles::of(n, [h, w]),
                weights,
            };
            adjoint.run(images.start * of_image..images.end * of_image, parts);
        });
    };
    // SAFETY: every row of every channel lies in the padded image (asserted above), and is finished with the row of
    // tiles that ends it.
    #[allow(unsafe_code, reason = "the gradient is not cleared first")]
    unsafe {
        written(n * input * size[0] * size[1], write)
    }
}

#[derive(Clone, Copy)]
struct Adjoint<'a> {
    seen: Seen<'a>,
    made: Made<'a>,
    offset: [usize; 2],
    tiles: Tiles,
    weights: &'a Weights,
}

impl Adjoint<'_> {
    /// All tiles of some images; the channels of the input in so many parts, side by side.
    fn run(self, range: Range<usize>, parts: usize) {
        let panels = self.made.channels.div_ceil(PANEL) / parts;
        let across = self.tiles.padded()[1];
        let groups = self.weights.panels();
        let block = tiles_of_block(range.len(), (groups + panels * parts) * PANEL);
        let arch = Arch::new();
        // What is not shared among threads stays on this one.
        let least = if parts == 1 { usize::MAX } else { 1 };
        let length = |count: usize| POSITIONS * count.next_multiple_of(PANEL) * PANEL;
        let mut seen = Scratch::take(groups * length(block));
        let mut sums: Vec<Scratch> = (0..parts)
            .map(|_| Scratch::take(REACH * across * panels * PANEL))
            .collect();
        sums.iter_mut().for_each(|sums| sums.fill(0.0));
        for first in range.clone().step_by(block) {
            let range = first..range.end.min(first + block);
            let length = length(range.len());
            let seen = &mut seen[..groups * length];
            let of_groups = seen.par_chunks_mut(length).with_min_len(least).enumerate();
            of_groups.for_each(|(group, out)| {
                arch.dispatch(Transforms {
                    adjoint: self,
                    range: range.clone(),
                    channel: group * PANEL,
                    out,
                });
            });
            let of_parts = sums.par_iter_mut().with_min_len(least).enumerate();
            of_parts.for_each(|(part, sums)| {
                arch.dispatch(Part {
                    adjoint: self,
                    range: range.clone(),
                    seen,
                    panels: part * panels..(part + 1) * panels,
                    sums,
                });
            });
        }
    }
}

/// `A ∂y Aᵀ` of some tiles, 16 channels: `[position][16 tiles][channel][tile]`.
struct Transforms<'a> {
    adjoint: Adjoint<'a>,
    range: Range<usize>,
    channel: usize,
    out: &'a mut [f32],
}

impl WithSimd for Transforms<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Adjoint { seen, tiles, .. } = self.adjoint;
        let count = self.range.len().next_multiple_of(PANEL);
        let mut found = Scratch::take(POSITIONS * count * PANEL);
        for run in tiles.runs(self.range.clone()) {
            let line = run.count * TILE * PANEL;
            let mut pixels = Scratch::take(TILE * line);
            let across = run.count * TILE;
            seen.gather(run, self.channel, &mut pixels, PANEL, across);
            for t in 0..run.count {
                let place =
                    |position, channel| (position * count + run.first + t) * PANEL + channel;
                let y = &pixels[t * TILE * PANEL..];
                transform_gradient(simd, (y, line), PANEL, &mut found, place);
            }
        }
        let blocks = self.out.chunks_exact_mut(PANEL * PANEL);
        for (out, found) in blocks.zip(found.chunks_exact(PANEL * PANEL)) {
            let tile = |t: usize| &found[t * PANEL..][..PANEL];
            turn(PANEL, tile, out, PANEL);
        }
    }
}

/// What some tiles add to some channels of the input.
struct Part<'a> {
    adjoint: Adjoint<'a>,
    range: Range<usize>,
    /// `[group of channels][position][16 tiles][channel][tile]`.
    seen: &'a [f32],
    panels: Range<usize>,
    /// The row of tiles that is being worked on: six rows of pixels, `[row][column][width]`.
    sums: &'a mut [f32],
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Adjoint { tiles, weights, .. } = self.adjoint;
        let width = self.panels.len() * PANEL;
        let (count, groups) = (self.range.len(), weights.panels());
        let blocks = count.div_ceil(PANEL);
        let apart = self.seen.len() / groups;
        let mut made = Scratch::take(POSITIONS * count * width);
        let mut sixteen = Scratch::take(width * PANEL);
        for position in 0..POSITIONS {
            let left = Left {
                start: (position * weights.depth + self.panels.start * PANEL) * PANEL,
                row: PANEL,
                step: 1,
                depth: PANEL,
                segment: 0,
                segments: 1,
            };
            for block in 0..blocks {
                // In the order in which weights lie in memory.
                for group in 0..groups {
                    let at = group * apart + (position * blocks + block) * PANEL * PANEL;
                    let right = Right {
                        values: &self.seen[at..],
                        stride: PANEL,
                        segment: 0,
                    };
                    let (a, c) = ((weights.panel(group), left), &mut sixteen[..]);
                    product(simd, a, right, (c, PANEL), width, group > 0);
                }
                let first = block * PANEL;
                let some = PANEL.min(count - first);
                let channel = |i: usize| &sixteen[i * PANEL..][..some];
                let made = &mut made[(position * count + first) * width..][..some * width];
                turn(width, channel, made, width);
            }
        }
        let across = tiles.padded()[1];
        for run in tiles.runs(self.range.clone()) {
            for t in 0..run.count {
                let made = &made[(run.first + t) * width..];
                let sums = &mut self.sums[(run.at[1] + t * TILE) * width..];
                add_output(simd, (made, count * width), width, (sums, across * width));
            }
            if run.at[1] / TILE + run.count == tiles.grid[1] {
                finish(self.adjoint, run, self.sums, self.panels.clone());
            }
        }
    }
}

/// Writes the rows to which no other tile adds, and makes room for the next ones.
#[inline(always)]
fn finish(adjoint: Adjoint<'_>, run: Run, sums: &mut [f32], panels: Range<usize>) {
    let Adjoint {
        made,
        tiles,
        offset,
        ..
    } = adjoint;
    let ([h, w], width) = (made.size, panels.len() * PANEL);
    let line = tiles.padded()[1] * width;
    let last = run.at[0] / TILE + 1 == tiles.grid[0];
    let done = if last { REACH } else { TILE };
    let channels = panels.start * PANEL..made.channels.min(panels.end * PANEL);
    for (row, pixels) in sums.chunks_exact(line).take(done).enumerate() {
        let row = (run.at[0] + row).checked_sub(offset[0]);
        if let Some(row) = row.filter(|&row| row < h) {
            let pixels = &pixels[offset[1] * width..][..w * width];
            made.scatter_row(run.image, [row, 0], pixels, width, channels.clone());
        }
    }
    sums.copy_within(done * line.., 0);
    sums[(REACH - done) * line..].fill(0.0);
}

/// Adds `B m Bᵀ` of one tile, all channels: from positions `apart` to `[6 rows, line apart][6][width]`.
#[inline(always)]
fn add_output<S: Simd>(
    simd: S,
    (made, apart): (&[f32], usize),
    width: usize,
    (x, line): (&mut [f32], usize),
) {
    let zero = simd.splat_f32s(0.0);
    for channel in (0..width).step_by(S::F32_LANES) {
        let mut columns = [[zero; REACH]; REACH];
        for (j, column) in columns.iter_mut().enumerate() {
            let m = std::array::from_fn(|i| load::<S>(&made[(6 * i + j) * apart + channel..]));
            *column = input_transposed(simd, m);
        }
        for i in 0..REACH {
            let row = input_transposed(simd, std::array::from_fn(|j| columns[j][i]));
            for (j, value) in row.into_iter().enumerate() {
                let out = &mut x[i * line + j * width + channel..];
                let sum = simd.add_f32s(load::<S>(out), value);
                store::<S>(out, sum);
            }
        }
    }
}
