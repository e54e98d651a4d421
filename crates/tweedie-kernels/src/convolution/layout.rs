//! Images with their channels last, in memory, and back.

use super::product::PANEL;
use super::scratch::Scratch;
use super::winograd::TILE;
use rayon::prelude::*;

/// Where the pixels of an image go within a larger one that is 0 elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Height and width of the larger image.
    pub(super) size: [usize; 2],
    /// Row and column of the first pixel.
    pub(super) offset: [usize; 2],
    /// The distance of pixels.
    pub(super) step: usize,
}

/// `[n, c, h, w]` to `[n, place.size, depth]`; channels from `c` on are 0, what does not fit is left
/// out.
pub(super) fn channels_last(x: &[f32], shape: [usize; 4], place: Place, depth: usize) -> Scratch {
    let [n, c, h, w] = shape;
    let Place {
        size: [height, width],
        offset: [top, left],
        step,
    } = place;
    // Pixels i with offset + i·step < all.
    let fits = |length: usize, offset: usize, all: usize| {
        length.min(all.saturating_sub(offset).div_ceil(step))
    };
    let (rows, columns) = (fits(h, top, height), fits(w, left, width));
    let mut out = Scratch::take(n * height * width * depth);
    let lines = out.par_chunks_mut((width * depth).max(1)).enumerate();
    lines.for_each(|(line, out)| {
        let (image, row) = (line / height, line % height);
        let inside = row >= top && (row - top).is_multiple_of(step) && (row - top) / step < rows;
        if !inside || step > 1 || depth > c {
            out.fill(0.0);
        }
        if !inside {
            return;
        }
        out[..left.min(width) * depth].fill(0.0);
        out[(left + columns).min(width) * depth..].fill(0.0);
        let first = (image * c * h + (row - top) / step) * w;
        let of_channel = |channel: usize| &x[first + channel * h * w..][..columns];
        let out = &mut out[left.min(width) * depth..];
        // Eight channels at a time share the lines of the cache that they write.
        let whole = c / 8 * 8;
        for channel in (0..whole).step_by(8) {
            let lines: [&[f32]; 8] = std::array::from_fn(|i| of_channel(channel + i));
            for column in 0..columns {
                let out = &mut out[column * step * depth + channel..][..8];
                for (out, line) in out.iter_mut().zip(lines) {
                    *out = line[column];
                }
            }
        }
        for channel in whole..c {
            for (column, &value) in of_channel(channel).iter().enumerate() {
                out[column * step * depth + channel] = value;
            }
        }
    });
    out
}

/// Where an image's pixels lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Row by row.
    Rows,
    /// Tile by tile, 4×4 pixels each, so many tiles across.
    Tiles { down: usize, across: usize },
}

impl Order {
    #[inline(always)]
    fn place(self, row: usize, column: usize, width: usize) -> usize {
        match self {
            Self::Rows => row * width + column,
            Self::Tiles { across, .. } => {
                let tile = row / TILE * across + column / TILE;
                (tile * TILE + row % TILE) * TILE + column % TILE
            }
        }
    }

    fn pixels(self, [h, w]: [usize; 2]) -> usize {
        match self {
            Self::Rows => h * w,
            Self::Tiles { down, across } => down * across * TILE * TILE,
        }
    }
}

/// Parts of 16·`panels` channels, `[parts][n][pixels][16·panels]`, to `[n, c, h, w]`.
pub(super) fn channels_first(
    y: &[f32],
    [n, c, h, w]: [usize; 4],
    panels: usize,
    order: Order,
) -> Vec<f32> {
    let (width, pixels, stored) = (panels * PANEL, h * w, order.pixels([h, w]));
    let mut out = vec![0.0; n * c * pixels];
    let images = out.par_chunks_mut((c * pixels).max(1)).enumerate();
    images.for_each(|(image, out)| {
        let groups = out.par_chunks_mut((8 * pixels).max(1)).enumerate();
        groups.for_each(|(group, out)| {
            let channel = group * 8;
            let (part, within) = (channel / width, channel % width);
            let from = &y[(part * n + image) * stored * width + within..];
            let mut lines = out.chunks_exact_mut(pixels.max(1));
            let mut lines: [&mut [f32]; 8] =
                std::array::from_fn(|_| lines.next().unwrap_or_default());
            let whole = lines.iter().all(|line| line.len() == pixels);
            for row in 0..h {
                for column in 0..w {
                    let values = &from[order.place(row, column, w) * width..][..8];
                    let pixel = row * w + column;
                    if whole {
                        for (line, &value) in lines.iter_mut().zip(values) {
                            line[pixel] = value;
                        }
                    } else {
                        for (line, &value) in lines.iter_mut().zip(values) {
                            if let Some(out) = line.get_mut(pixel) {
                                *out = value;
                            }
                        }
                    }
                }
            }
        });
    });
    out
}
