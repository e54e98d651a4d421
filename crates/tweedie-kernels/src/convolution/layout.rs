//! Images with their channels last, in memory.

use super::scratch::Scratch;
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
        if step == 1 {
            turn(c, of_channel, &mut out[..columns * depth], depth);
            return;
        }
        for channel in 0..c {
            for (column, &value) in of_channel(channel).iter().enumerate() {
                out[column * step * depth + channel] = value;
            }
        }
    });
    out
}

/// Rows and columns that are turned together: as many as share a line of the cache.
pub(super) const SIDE: usize = 8;

/// Lines of `c` channels to `[column][depth]`.
#[inline(always)]
pub(super) fn turn<'a>(c: usize, line: impl Fn(usize) -> &'a [f32], out: &mut [f32], depth: usize) {
    let columns = out.len() / depth;
    let whole = c / SIDE * SIDE;
    for channel in (0..whole).step_by(SIDE) {
        let lines: [&[f32]; SIDE] = std::array::from_fn(|i| line(channel + i));
        for column in (0..columns).step_by(SIDE) {
            if column + SIDE <= columns {
                let mut block = [[0.0; SIDE]; SIDE];
                for (block, line) in block.iter_mut().zip(lines) {
                    block.copy_from_slice(&line[column..][..SIDE]);
                }
                for (i, pixel) in transpose(&block).iter().enumerate() {
                    out[(column + i) * depth + channel..][..SIDE].copy_from_slice(pixel);
                }
                continue;
            }
            for column in column..columns {
                let pixel = &mut out[column * depth + channel..][..SIDE];
                pixel
                    .iter_mut()
                    .zip(lines)
                    .for_each(|(out, line)| *out = line[column]);
            }
        }
    }
    for channel in whole..c {
        for (pixel, &value) in out.chunks_exact_mut(depth).zip(line(channel)) {
            pixel[channel] = value;
        }
    }
}

/// Rows to columns.
#[inline(always)]
pub(super) fn transpose(rows: &[[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return in_registers(simd.avx, *rows);
    }
    std::array::from_fn(|j| std::array::from_fn(|i| rows[i][j]))
}

/// The same by exchanging numbers, pairs and halves of vectors: compilers do not see it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn in_registers(avx: pulp::core_arch::x86::Avx, rows: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    use std::arch::x86_64::__m256;
    let rows: [__m256; SIDE] = rows.map(pulp::bytemuck::cast);
    let ones: [__m256; SIDE] = std::array::from_fn(|i| match i % 2 {
        0 => avx._mm256_unpacklo_ps(rows[i], rows[i + 1]),
        _ => avx._mm256_unpackhi_ps(rows[i - 1], rows[i]),
    });
    let pairs: [__m256; SIDE] = std::array::from_fn(|i| {
        let (first, second) = (ones[i / 4 * 4 + i % 4 / 2], ones[i / 4 * 4 + i % 4 / 2 + 2]);
        match i % 2 {
            0 => avx._mm256_shuffle_ps::<0x44>(first, second),
            _ => avx._mm256_shuffle_ps::<0xEE>(first, second),
        }
    });
    let columns: [__m256; SIDE] = std::array::from_fn(|i| match i / 4 {
        0 => avx._mm256_permute2f128_ps::<0x20>(pairs[i], pairs[i + 4]),
        _ => avx._mm256_permute2f128_ps::<0x31>(pairs[i - 4], pairs[i]),
    });
    columns.map(pulp::bytemuck::cast)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "numbers move and do not change")]

    use super::*;

    #[test]
    fn rows_become_columns() {
        let rows = std::array::from_fn(|i| std::array::from_fn(|j| (8 * i + j) as f32));
        let columns = transpose(&rows);
        for (j, column) in columns.iter().enumerate() {
            let wanted: [f32; SIDE] = std::array::from_fn(|i| rows[i][j]);
            assert_eq!(*column, wanted);
        }
    }
}
