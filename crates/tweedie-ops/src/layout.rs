//! Conversion of images to a channels-last layout in memory.

use crate::scratch::Scratch;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// The place of an image within a larger one that is 0 elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Placement {
    /// Height and width of the larger image.
    pub(crate) size: [usize; 2],
    /// Row and column of the first pixel.
    pub(crate) offset: [usize; 2],
}

/// Copies `[n, c, h, w]` to `[n, place.size, depth]`. Channels from `c` on are 0, and pixels
/// outside the larger image are dropped.
pub(crate) fn channels_last(
    x: &[f32],
    shape: [usize; 4],
    place: Placement,
    depth: usize,
) -> Scratch {
    let [n, c, h, w] = shape;
    let Placement {
        size: [height, width],
        offset: [top, left],
    } = place;
    let (rows, columns) = (
        h.min(height.saturating_sub(top)),
        w.min(width.saturating_sub(left)),
    );
    let mut out = Scratch::take(n * height * width * depth);
    let arch = Arch::new();
    let lines = out.par_chunks_mut((width * depth).max(1)).enumerate();
    lines.for_each(|(line, out)| {
        let (image, row) = (line / height, line % height);
        let inside = (top..top + rows).contains(&row);
        if !inside || depth > c {
            out.fill(0.0);
        }
        if !inside {
            return;
        }
        out[..left.min(width) * depth].fill(0.0);
        out[(left + columns).min(width) * depth..].fill(0.0);
        arch.dispatch(LayoutLine {
            x: &x[(image * c * h + row - top) * w..],
            plane: h * w,
            channels: c,
            columns,
            out: &mut out[left.min(width) * depth..],
            depth,
        });
    });
    out
}

/// One line of an image, in all channels.
struct LayoutLine<'a> {
    x: &'a [f32],
    /// The stride between channels.
    plane: usize,
    channels: usize,
    columns: usize,
    out: &'a mut [f32],
    depth: usize,
}

impl WithSimd for LayoutLine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let of_channel = |channel: usize| &self.x[channel * self.plane..][..self.columns];
        let out = &mut self.out[..self.columns * self.depth];
        turn(self.channels, of_channel, out, self.depth);
    }
}

/// The side of the blocks that are transposed together: 8 values are half a cache line.
pub(crate) const SIDE: usize = 8;

/// Transposes lines of `c` channels to `[column][depth]`.
#[inline(always)]
pub(crate) fn turn<'a>(c: usize, line: impl Fn(usize) -> &'a [f32], out: &mut [f32], depth: usize) {
    let columns = out.len() / depth;
    let whole = c / SIDE * SIDE;
    for channel in (0..whole).step_by(SIDE) {
        let mut lines = [&[][..]; SIDE];
        for (i, of_channel) in lines.iter_mut().enumerate() {
            *of_channel = line(channel + i);
        }
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

/// Transposes a block.
#[inline(always)]
pub(crate) fn transpose(rows: &[[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return in_registers(simd.avx, *rows);
    }
    std::array::from_fn(|j| std::array::from_fn(|i| rows[i][j]))
}

/// Transposes by exchanging elements, pairs and halves of vectors; compilers do not find this.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn in_registers(avx: pulp::core_arch::x86::Avx, rows: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    use std::arch::x86_64::__m256;
    let [r0, r1, r2, r3, r4, r5, r6, r7]: [__m256; SIDE] = pulp::bytemuck::cast(rows);
    let ones = |a, b| (avx._mm256_unpacklo_ps(a, b), avx._mm256_unpackhi_ps(a, b));
    let pairs = |a, b| {
        let low = avx._mm256_shuffle_ps::<0x44>(a, b);
        (low, avx._mm256_shuffle_ps::<0xEE>(a, b))
    };
    let halves = |a, b| {
        let low = avx._mm256_permute2f128_ps::<0x20>(a, b);
        (low, avx._mm256_permute2f128_ps::<0x31>(a, b))
    };
    let ((a0, a1), (a2, a3)) = (ones(r0, r1), ones(r2, r3));
    let ((a4, a5), (a6, a7)) = (ones(r4, r5), ones(r6, r7));
    let ((b0, b1), (b2, b3)) = (pairs(a0, a2), pairs(a1, a3));
    let ((b4, b5), (b6, b7)) = (pairs(a4, a6), pairs(a5, a7));
    let ((c0, c4), (c1, c5)) = (halves(b0, b4), halves(b1, b5));
    let ((c2, c6), (c3, c7)) = (halves(b2, b6), halves(b3, b7));
    pulp::bytemuck::cast([c0, c1, c2, c3, c4, c5, c6, c7])
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
