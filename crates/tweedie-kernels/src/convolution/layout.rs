//! Images with their channels last, in memory, and back.

use super::product::PANEL;
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
pub(super) fn channels_last(x: &[f32], shape: [usize; 4], place: Place, depth: usize) -> Vec<f32> {
    let [n, c, h, w] = shape;
    let Place {
        size: [height, width],
        offset: [top, left],
        step,
    } = place;
    let mut out = vec![0.0; n * height * width * depth];
    let fits = |length: usize, offset: usize, all: usize| {
        // Pixels i with offset + i·step < all.
        length.min(all.saturating_sub(offset).div_ceil(step))
    };
    let (rows, columns) = (fits(h, top, height), fits(w, left, width));
    let lines = out.par_chunks_mut((width * depth).max(1)).enumerate();
    lines.for_each(|(line, out)| {
        let (image, row) = (line / height, line % height);
        if row < top || !(row - top).is_multiple_of(step) || (row - top) / step >= rows {
            return;
        }
        let row = (row - top) / step;
        let from = |channel: usize| &x[((image * c + channel) * h + row) * w..][..columns];
        let out = &mut out[left * depth..];
        let mut first = 0;
        // Eight channels at a time share the lines of the cache that they write.
        while first + 8 <= c {
            let lines: [&[f32]; 8] = std::array::from_fn(|i| from(first + i));
            for (column, out) in out.chunks_mut(step * depth).take(columns).enumerate() {
                let values = lines.map(|line| line[column]);
                out[first..first + 8].copy_from_slice(&values);
            }
            first += 8;
        }
        for channel in first..c {
            let line = from(channel);
            for (out, &value) in out.chunks_mut(step * depth).zip(line) {
                out[channel] = value;
            }
        }
    });
    out
}

/// Parts of 16·`panels` channels, `[parts][n·pixels][16·panels]` in any order of pixels, to
/// `[n, c, pixels]`.
pub(super) fn channels_first(
    y: &[f32],
    [n, c, pixels]: [usize; 3],
    panels: usize,
    // Where pixel `i` of an image is, and how many an image has there.
    order: (impl Fn(usize) -> usize + Sync, usize),
) -> Vec<f32> {
    let (place, stored) = order;
    let width = panels * PANEL;
    let mut out = vec![0.0; n * c * pixels];
    let images = out.par_chunks_mut((c * pixels).max(1)).enumerate();
    images.for_each(|(image, out)| {
        let groups = out.par_chunks_mut((8 * pixels).max(1)).enumerate();
        groups.for_each(|(group, out)| {
            let channel = group * 8;
            let (part, within) = (channel / width, channel % width);
            let from = &y[(part * n + image) * stored * width..][..stored * width];
            let count = out.len() / pixels.max(1);
            if count == 8 {
                let mut lines = out.chunks_mut(pixels);
                let mut lines: [&mut [f32]; 8] =
                    std::array::from_fn(|_| lines.next().unwrap_or_default());
                for pixel in 0..pixels {
                    let values = &from[place(pixel) * width + within..][..8];
                    for (line, &value) in lines.iter_mut().zip(values) {
                        line[pixel] = value;
                    }
                }
            } else {
                for pixel in 0..pixels {
                    let values = &from[place(pixel) * width + within..][..count];
                    for (i, &value) in values.iter().enumerate() {
                        out[i * pixels + pixel] = value;
                    }
                }
            }
        });
    });
    out
}
