//! Convolutions with 3×3 kernels and stride 1 in tiles of 4×4 pixels.

use super::transform::{input, output};
use super::weights::Weights;
use crate::host::written;
use crate::layout::{SIDE, transpose, turn};
use crate::product::{Left, PANEL, Right, load, product, store};
use crate::scratch::Scratch;
use crate::shared::Shared;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Rows and columns of a tile of the output.
pub(super) const TILE: usize = 4;
/// Products of a tile.
pub(super) const POSITIONS: usize = 36;

/// The tiles of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// Tiles of an image: down and across.
    pub(super) grid: [usize; 2],
    /// Of all images.
    pub(super) count: usize,
}

impl Tiles {
    pub(super) fn of(images: usize, [h, w]: [usize; 2]) -> Self {
        let grid = [h.div_ceil(TILE), w.div_ceil(TILE)];
        Self {
            grid,
            count: images * grid[0] * grid[1],
        }
    }

    /// Height and width of the padded images that the tiles read.
    pub(super) fn padded(self) -> [usize; 2] {
        self.grid.map(|n| n * TILE + 2)
    }

    /// Where tile `t` starts in images of `size`, counted in pixels of the batch.
    #[inline(always)]
    pub(super) fn start(self, t: usize, [height, width]: [usize; 2]) -> usize {
        let [down, across] = self.grid;
        let (image, row, column) = (t / (down * across), t / across % down, t % across);
        (image * height + row * TILE) * width + column * TILE
    }

    /// Tiles `range`, row by row.
    pub(super) fn runs(self, range: std::ops::Range<usize>) -> impl Iterator<Item = Run> {
        let [down, across] = self.grid;
        let rows = range.start / across..range.end.div_ceil(across);
        rows.map(move |row| {
            let tiles = range.start.max(row * across)..range.end.min((row + 1) * across);
            Run {
                image: row / down,
                at: [row % down * TILE, tiles.start % across * TILE],
                first: tiles.start - range.start,
                count: tiles.len(),
            }
        })
    }
}

/// How many tiles are worked on together: few enough that what is between the transforms stays in the
/// cache.
pub(super) fn tiles_of_block(tiles: usize, channels: usize) -> usize {
    const NUMBERS: usize = 1 << 19;
    let most = (NUMBERS / (POSITIONS * channels)).clamp(12, 64);
    tiles.div_ceil(tiles.div_ceil(most))
}

/// Into how many parts the channels of the output are cut: where there is little else to share, as many as
/// there are threads.
fn parts(tasks: usize, panels: usize) -> usize {
    let threads = rayon::current_num_threads();
    let fits = |parts: &usize| panels.is_multiple_of(*parts) && *parts <= threads;
    match tasks >= threads {
        true => 1,
        false => (1..=panels).rev().find(fits).unwrap_or(1),
    }
}

/// `[n, i, h, w]` to `[n, o, size]`; `offset` is where the first pixel lies in the padded image.
pub(super) fn convolve(
    x: &[f32],
    shape: [usize; 4],
    offset: [usize; 2],
    (weights, bias): (&Weights, Option<&[f32]>),
    size: [usize; 2],
) -> Vec<f32> {
    let [n, ..] = shape;
    let panels = weights.panels();
    let tiles = Tiles::of(n, size);
    if tiles.count == 0 || panels == 0 {
        return Vec::new();
    }
    let block = tiles_of_block(tiles.count, weights.depth + panels * PANEL);
    let blocks = tiles.count.div_ceil(block);
    let parts = parts(blocks, panels);
    let panels = panels / parts;
    let arch = Arch::new();
    let write = |out: &mut [MaybeUninit<f32>]| {
        let seen = Seen { x, shape, offset };
        let made = Made {
            out: &Shared::new(out),
            bias,
            channels: weights.output,
            size,
        };
        let tasks = (0..parts * blocks).into_par_iter();
        tasks.for_each(|task| {
            let (part, first) = (task / blocks, task % blocks * block);
            arch.dispatch(Block {
                seen,
                made,
                tiles,
                range: first..tiles.count.min(first + block),
                weights,
                panels: part * panels..(part + 1) * panels,
            });
        });
    };
    // SAFETY: every pixel of every channel lies in one tile of one part.
    #[allow(unsafe_code, reason = "the output is not cleared first")]
    unsafe {
        written(n * weights.output * size[0] * size[1], write)
    }
}

/// What is convolved.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) x: &'a [f32],
    pub(super) shape: [usize; 4],
    /// Where its first pixel lies in the padded image.
    pub(super) offset: [usize; 2],
}

/// What becomes of it, `[n, channels, size]`.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) out: &'a Shared<'a>,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) channels: usize,
    pub(super) size: [usize; 2],
}

/// Some tiles, and some channels of the output.
struct Block<'a> {
    seen: Seen<'a>,
    made: Made<'a>,
    tiles: Tiles,
    range: std::ops::Range<usize>,
    weights: &'a Weights,
    panels: std::ops::Range<usize>,
}

/// Tiles side by side.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) image: usize,
    /// Row and column of its first pixel.
    pub(super) at: [usize; 2],
    /// Number of its first tile in the block, and how many there are.
    pub(super) first: usize,
    pub(super) count: usize,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let depth = self.weights.depth;
        let width = self.panels.len() * PANEL;
        let count = self.range.len();
        // Transforms of the input, and of the output.
        let mut seen = Scratch::take(POSITIONS * count * depth);
        let mut made = Scratch::take(POSITIONS * count * width);
        for run in self.tiles.runs(self.range.clone()) {
            let across = run.count * TILE + 2;
            // Channels last.
            let mut pixels = Scratch::take((TILE + 2) * across * depth);
            self.seen.gather(run, 0, &mut pixels, depth, across);
            for t in 0..run.count {
                let place =
                    |position, channel| (position * count + run.first + t) * depth + channel;
                let x = &pixels[t * TILE * depth..];
                transform_input(simd, (x, across * depth), depth, &mut seen, place);
            }
        }
        for position in 0..POSITIONS {
            let left = Left {
                start: position * count * depth,
                row: depth,
                step: 1,
                depth,
                segment: 0,
                segments: 1,
            };
            for (i, panel) in self.panels.clone().enumerate() {
                let values = &self.weights.panel(panel)[position * depth * PANEL..];
                let right = Right {
                    values,
                    stride: PANEL,
                    segment: 0,
                };
                let made = &mut made[position * count * width + i * PANEL..];
                product(simd, (&seen, left), right, (made, width), count, false);
            }
        }
        let channels = self.panels.start * PANEL..self.weights.output.min(self.panels.end * PANEL);
        for run in self.tiles.runs(self.range.clone()) {
            let line = run.count * TILE * width;
            let mut pixels = Scratch::take(TILE * line);
            for t in 0..run.count {
                let made = &made[(run.first + t) * width..];
                let y = &mut pixels[t * TILE * width..];
                transform_output(simd, (made, count * width), width, (y, line));
            }
            self.made.scatter(run, &pixels, width, channels.clone());
        }
    }
}

impl Seen<'_> {
    /// Rows of `across` pixels from where a run of tiles starts, `depth` channels from `channel` on:
    /// `[row][column][depth]`.
    #[inline(always)]
    pub(super) fn gather(
        &self,
        run: Run,
        channel: usize,
        out: &mut [f32],
        depth: usize,
        across: usize,
    ) {
        let [_, channels, h, w] = self.shape;
        let c = depth.min(channels - channel);
        // Columns of the run that lie in the image.
        let left = self.offset[1].saturating_sub(run.at[1]).min(across);
        let first = (run.at[1] + left).saturating_sub(self.offset[1]);
        let inside = across.min(left + w.saturating_sub(first));
        for (row, out) in out.chunks_exact_mut(across * depth).enumerate() {
            let from = (run.at[0] + row).checked_sub(self.offset[0]);
            let Some(from) = from.filter(|&row| row < h && left < inside) else {
                out.fill(0.0);
                continue;
            };
            out[..left * depth].fill(0.0);
            out[inside * depth..].fill(0.0);
            let start = ((run.image * channels + channel) * h + from) * w + first;
            let line = |channel: usize| &self.x[start + channel * h * w..][..inside - left];
            let out = &mut out[left * depth..inside * depth];
            turn(c, line, out, depth);
            if depth > c {
                out.chunks_exact_mut(depth)
                    .for_each(|out| out[c..].fill(0.0));
            }
        }
    }
}

impl Made<'_> {
    /// Four rows, `[row][column][width]`, to where they belong.
    #[inline(always)]
    fn scatter(&self, run: Run, y: &[f32], width: usize, channels: std::ops::Range<usize>) {
        let [h, w] = self.size;
        let columns = (run.count * TILE).min(w - run.at[1]);
        let rows = y.chunks_exact(run.count * TILE * width);
        for (row, y) in (run.at[0]..h).zip(rows) {
            let at = [row, run.at[1]];
            self.scatter_row(
                run.image,
                at,
                &y[..columns * width],
                width,
                channels.clone(),
            );
        }
    }

    /// Some pixels of a row, `[column][width]`, and some channels, to where they belong.
    #[inline(always)]
    pub(super) fn scatter_row(
        &self,
        image: usize,
        [row, first]: [usize; 2],
        y: &[f32],
        width: usize,
        channels: std::ops::Range<usize>,
    ) {
        let ([h, w], columns) = (self.size, y.len() / width);
        for (group, channel) in channels.clone().step_by(SIDE).enumerate() {
            let some = SIDE.min(channels.end - channel);
            let mut lines = [[0.0; SIDE]; SIDE];
            for column in (0..columns).step_by(SIDE) {
                let count = SIDE.min(columns - column);
                for (i, line) in lines.iter_mut().enumerate().take(count) {
                    let at = (column + i) * width + group * SIDE;
                    line.copy_from_slice(&y[at..][..SIDE]);
                }
                let turned = transpose(&lines);
                for (channel, line) in (channel..channel + some).zip(&turned) {
                    let bias = self.bias.map_or(0.0, |bias| bias[channel]);
                    let line = line.map(|value| value + bias);
                    let at = ((image * self.channels + channel) * h + row) * w + first + column;
                    // SAFETY: a pixel of a channel is one task's.
                    #[allow(unsafe_code, reason = "tasks share an image")]
                    unsafe {
                        self.out.write(at, &line, count);
                    }
                }
            }
        }
    }
}

/// `Bᵀ x B` of one tile, all channels: from `[6 rows, line apart][6][depth]` to
/// `place(position, channel)`.
#[inline(always)]
pub(super) fn transform_input<S: Simd>(
    simd: S,
    (x, line): (&[f32], usize),
    depth: usize,
    out: &mut [f32],
    place: impl Fn(usize, usize) -> usize,
) {
    let lanes = S::F32_LANES;
    let zero = simd.splat_f32s(0.0);
    for channel in (0..depth).step_by(lanes) {
        let mut columns = [[zero; 6]; 6];
        for (j, column) in columns.iter_mut().enumerate() {
            let x = std::array::from_fn(|i| load::<S>(&x[i * line + j * depth + channel..]));
            *column = input(simd, x);
        }
        for i in 0..6 {
            let row = input(simd, std::array::from_fn(|j| columns[j][i]));
            for (j, value) in row.into_iter().enumerate() {
                store::<S>(&mut out[place(6 * i + j, channel)..], value);
            }
        }
    }
}

/// `Aᵀ m A` of one tile, all channels: from positions `apart` to `[4 rows, line apart][4][width]`.
#[inline(always)]
fn transform_output<S: Simd>(
    simd: S,
    (made, apart): (&[f32], usize),
    width: usize,
    (y, line): (&mut [f32], usize),
) {
    let zero = simd.splat_f32s(0.0);
    for channel in (0..width).step_by(S::F32_LANES) {
        let mut columns = [[zero; 4]; 6];
        for (j, column) in columns.iter_mut().enumerate() {
            let m = std::array::from_fn(|i| load::<S>(&made[(6 * i + j) * apart + channel..]));
            *column = output(simd, m);
        }
        for i in 0..TILE {
            let row = output(simd, std::array::from_fn(|j| columns[j][i]));
            for (j, value) in row.into_iter().enumerate() {
                store::<S>(&mut y[i * line + j * width + channel..], value);
            }
        }
    }
}
