//! Winograd tiles: where their pixels lie in the images, and copies from and to the images.

use crate::layout::{SIDE, transpose, turn};
use crate::product::PANEL;
use crate::shared::SharedSlice;
use std::ops::Range;

/// Rows and columns of a tile of the output.
pub(super) const TILE: usize = 4;

/// The tiles of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// Tiles of one image, vertically and horizontally.
    grid: [usize; 2],
    /// Tiles of all images.
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

    /// Returns the length of the longest run among `tiles` consecutive tiles.
    pub(super) fn across(self, tiles: usize) -> usize {
        tiles.min(self.grid[1])
    }

    /// Splits `range` into runs of tiles in the same row.
    pub(super) fn runs(self, range: Range<usize>) -> impl Iterator<Item = TileRun> {
        let [down, across] = self.grid;
        let rows = range.start / across..range.end.div_ceil(across);
        rows.map(move |row| {
            let tiles = range.start.max(row * across)..range.end.min((row + 1) * across);
            TileRun {
                image: row / down,
                at: [row % down * TILE, tiles.start % across * TILE],
                first: tiles.start - range.start,
                count: tiles.len(),
            }
        })
    }
}

/// Neighbouring tiles in one row.
#[derive(Clone, Copy)]
pub(super) struct TileRun {
    image: usize,
    /// Row and column of its first pixel.
    at: [usize; 2],
    /// The index of the first tile in the block, and the number of tiles.
    pub(super) first: usize,
    pub(super) count: usize,
}

/// The image that is read, `[n, channels, h, w]`.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) x: &'a [f32],
    pub(super) shape: [usize; 4],
    /// Where the first pixel of the image lies in the padded image.
    pub(super) offset: [usize; 2],
}

impl Seen<'_> {
    /// Copies rows of `across` pixels from the start of a run of tiles, for 16 channels from
    /// `channel` on: `[row][column][16]`.
    #[inline(always)]
    pub(super) fn gather(&self, run: TileRun, channel: usize, out: &mut [f32], across: usize) {
        let [_, channels, h, w] = self.shape;
        let c = PANEL.min(channels - channel);
        // Columns of the run that are inside the image.
        let left = self.offset[1].saturating_sub(run.at[1]).min(across);
        let first = (run.at[1] + left).saturating_sub(self.offset[1]);
        let inside = across.min(left + w.saturating_sub(first));
        for (row, out) in out.chunks_exact_mut(across * PANEL).enumerate() {
            let from = (run.at[0] + row).checked_sub(self.offset[0]);
            let Some(from) = from.filter(|&row| row < h && left < inside) else {
                out.fill(0.0);
                continue;
            };
            out[..left * PANEL].fill(0.0);
            out[inside * PANEL..].fill(0.0);
            let start = ((run.image * channels + channel) * h + from) * w + first;
            let line = |channel: usize| &self.x[start + channel * h * w..][..inside - left];
            let out = &mut out[left * PANEL..inside * PANEL];
            turn(c, line, out, PANEL);
            if c < PANEL {
                let pixels = out.chunks_exact_mut(PANEL);
                pixels.for_each(|pixel| pixel[c..].fill(0.0));
            }
        }
    }
}

/// The image that is written, `[n, channels, size]`.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) out: &'a SharedSlice<'a>,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) channels: usize,
    pub(super) size: [usize; 2],
}

impl Made<'_> {
    /// Scatters four rows of at most 16 channels, `[row][column][16]`, and adds the bias. Each pair
    /// of run and channel must be written by one task only.
    #[inline(always)]
    pub(super) fn scatter(&self, run: TileRun, y: &[f32], channels: Range<usize>) {
        let ([h, w], first) = (self.size, run.at[1]);
        let columns = (run.count * TILE).min(w - first);
        let rows = y.chunks_exact(run.count * TILE * PANEL);
        for (row, y) in (run.at[0]..h).zip(rows) {
            for (half, channel) in channels.clone().step_by(SIDE).enumerate() {
                let some = SIDE.min(channels.end - channel);
                let mut lines = [[0.0; SIDE]; SIDE];
                for column in (0..columns).step_by(SIDE) {
                    let count = SIDE.min(columns - column);
                    for (i, line) in lines.iter_mut().enumerate().take(count) {
                        let at = (column + i) * PANEL + half * SIDE;
                        line.copy_from_slice(&y[at..][..SIDE]);
                    }
                    let turned = transpose(&lines);
                    for (channel, line) in (channel..channel + some).zip(&turned) {
                        let bias = self.bias.map_or(0.0, |bias| bias[channel]);
                        let line = line.map(|value| value + bias);
                        let plane = run.image * self.channels + channel;
                        // SAFETY: each pixel of a channel is written by one task only.
                        #[allow(unsafe_code, reason = "tasks share an image")]
                        unsafe {
                            let at = (plane * h + row) * w + first + column;
                            self.out.write(at, &line, count);
                        }
                    }
                }
            }
        }
    }
}
