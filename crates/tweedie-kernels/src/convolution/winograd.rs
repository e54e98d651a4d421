//! Convolutions with 3×3 kernels and stride 1 in tiles of 4×4 pixels.

use super::layout::{Order, Place, channels_first, channels_last};
use super::product::{Left, PANEL, Right, product};
use super::scratch::Scratch;
use super::transform::{input, load, output, store};
use super::weights::Weights;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

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
}

/// How many tiles are worked on together: few enough that what is between the transforms stays in the
/// cache.
fn tiles_of_block(tiles: usize, channels: usize) -> usize {
    const NUMBERS: usize = 1 << 19;
    let most = (NUMBERS / (POSITIONS * channels)).clamp(12, 64);
    tiles.div_ceil(tiles.div_ceil(most))
}

/// Into how many parts the channels of the output are cut: where there is little else to share, as many as
/// there are threads.
pub(super) fn parts(tasks: usize, panels: usize) -> usize {
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
    weights: &Weights,
    size: [usize; 2],
) -> Vec<f32> {
    let [n, ..] = shape;
    let (depth, panels) = (weights.depth, weights.panels());
    let tiles = Tiles::of(n, size);
    if tiles.count == 0 || panels == 0 {
        return Vec::new();
    }
    let place = Place {
        size: tiles.padded(),
        offset,
        step: 1,
    };
    let x = channels_last(x, shape, place, depth);
    let block = tiles_of_block(tiles.count, depth + panels * PANEL);
    let blocks = tiles.count.div_ceil(block);
    let parts = parts(blocks, panels);
    let (panels, width) = (panels / parts, panels / parts * PANEL);
    let mut y = Scratch::take(parts * tiles.count * TILE * TILE * width);
    let arch = Arch::new();
    y.par_chunks_mut(tiles.count * TILE * TILE * width)
        .enumerate()
        .flat_map(|(part, y)| {
            let chunks = y.par_chunks_mut(block * TILE * TILE * width);
            chunks.enumerate().map(move |(block, y)| (part, block, y))
        })
        .for_each_init(
            || (Vec::new(), Vec::new()),
            |scratch, (part, index, y)| {
                arch.dispatch(Block {
                    x: &x,
                    tiles,
                    first: index * block,
                    weights,
                    panels: part * panels..(part + 1) * panels,
                    scratch,
                    y,
                });
            },
        );
    let [down, across] = tiles.grid;
    let order = Order::Tiles { down, across };
    channels_first(&y, [n, weights.output, size[0], size[1]], panels, order)
}

/// Some tiles, and some channels of the output.
struct Block<'a> {
    x: &'a [f32],
    tiles: Tiles,
    first: usize,
    weights: &'a Weights,
    panels: std::ops::Range<usize>,
    scratch: &'a mut (Vec<f32>, Vec<f32>),
    /// `[tile][16 pixels][channels]`.
    y: &'a mut [f32],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let depth = self.weights.depth;
        let width = self.panels.len() * PANEL;
        let count = self.y.len() / (TILE * TILE * width);
        let (seen, made) = self.scratch;
        seen.resize(POSITIONS * count * depth, 0.0);
        made.resize(POSITIONS * count * width, 0.0);
        for t in 0..count {
            let from = self.tiles.start(self.first + t, self.tiles.padded());
            let across = self.tiles.padded()[1];
            let place = |position, channel| (position * count + t) * depth + channel;
            transform_input(
                simd,
                (&self.x[from * depth..], across * depth),
                depth,
                seen,
                place,
            );
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
                product(simd, (seen, left), right, (made, width), count, false);
            }
        }
        for (t, y) in self.y.chunks_exact_mut(TILE * TILE * width).enumerate() {
            transform_output(simd, &made[t * width..], count * width, width, y);
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

/// `Aᵀ m A` of one tile, all channels: from positions `apart` to `[16 pixels][width]`.
#[inline(always)]
fn transform_output<S: Simd>(simd: S, made: &[f32], apart: usize, width: usize, y: &mut [f32]) {
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
                store::<S>(&mut y[(TILE * i + j) * width + channel..], value);
            }
        }
    }
}
