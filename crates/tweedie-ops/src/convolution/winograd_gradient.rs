//! The gradient by the weights, by Winograd's algorithm transposed:
//! `Gᵀ [Σ (Bᵀ x B) ⊙ (A ∂y Aᵀ)] G`.

use super::tiles::{Seen, Tiles};
use super::transform::POSITIONS;
use super::transform::{FilterTransposed, both_ways};
use super::weights::TAPS;
use super::winograd::{TransformedSide, Transforms, apart};
use crate::host::written;
use crate::product::{Left, PANEL, Right, load, product, store};
use crate::scratch::{AT_REST, Scratch};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Computes `[o, i, 3, 3]` from `[n, i, …]` and `[n, o, h, w]`; `offset` is the place of the first
/// pixel in the padded image.
pub(super) fn by_weights(
    x: (&[f32], [usize; 4]),
    dy: (&[f32], [usize; 4]),
    offset: [usize; 2],
) -> Vec<f32> {
    let ([_, input, ..], [n, o, h, w]) = (x.1, dy.1);
    let tiles = Tiles::of(n, [h, w]);
    let (groups, panels) = (input.div_ceil(PANEL), o.div_ceil(PANEL));
    // Tiles per block: enough that the traffic of the sums does not exceed that of the transforms,
    // and few enough that both fit into the pool of scratch memory.
    let width = (groups + panels) * PANEL;
    let of_sums = groups * panels * PANEL * PANEL;
    let room = (AT_REST / POSITIONS * 7 / 8).saturating_sub(of_sums) / width;
    let block = room
        .min(2 * of_sums / width)
        .clamp(64, 512)
        .min(tiles.count);
    let length = POSITIONS * apart(block * PANEL);
    let (mut seen, mut wanted) = (
        Scratch::take(groups * length),
        Scratch::take(panels * length),
    );
    let of_position = apart(of_sums);
    let mut sums = Scratch::take(POSITIONS * of_position);
    let arch = Arch::new();
    for first in (0..tiles.count).step_by(block) {
        let range = first..tiles.count.min(first + block);
        let transform = |side, (x, shape), offset, (group, out)| {
            arch.dispatch(Transforms {
                side,
                seen: Seen { x, shape, offset },
                tiles,
                range: range.clone(),
                channel: group * PANEL,
                out,
            });
        };
        let of_seen = seen.par_chunks_mut(length).enumerate();
        of_seen.for_each(|group| transform(TransformedSide::Seen, x, offset, group));
        let of_wanted = wanted.par_chunks_mut(length).enumerate();
        of_wanted.for_each(|panel| transform(TransformedSide::Made, dy, [0, 0], panel));
        // The data of one position stays in the cache from panel to panel.
        let positions = sums.par_chunks_mut(of_position).enumerate();
        positions.for_each(|(position, sums)| {
            let of_panels = sums
                .par_chunks_exact_mut(groups * PANEL * PANEL)
                .enumerate();
            of_panels.for_each(|(panel, sums)| {
                let at = position * (length / POSITIONS);
                arch.dispatch(Sums {
                    seen: &seen[at..],
                    wanted: &wanted[panel * length + at..],
                    length,
                    tiles: range.len(),
                    sums,
                    add: first > 0,
                });
            });
        });
    }
    let write = |out: &mut [MaybeUninit<f32>]| {
        let chunks = out.par_chunks_mut(PANEL * input * TAPS).enumerate();
        chunks.for_each(|(panel, out)| {
            arch.dispatch(Gradients {
                sums: &sums[panel * groups * PANEL * PANEL..],
                apart: of_position,
                input,
                out,
            });
        });
    };
    // SAFETY: every panel writes the nine taps of all its filters.
    #[allow(unsafe_code, reason = "the gradient is not cleared first")]
    unsafe {
        written(o * input * TAPS, write)
    }
}

/// Sums for one position and one panel of output channels: `[channel][16]`.
struct Sums<'a> {
    /// `[tile][16]`; `length` is the stride between groups of channels.
    seen: &'a [f32],
    wanted: &'a [f32],
    length: usize,
    tiles: usize,
    sums: &'a mut [f32],
    add: bool,
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let right = Right {
            values: self.wanted,
            stride: PANEL,
            segment: 0,
        };
        for (group, sums) in self.sums.chunks_exact_mut(PANEL * PANEL).enumerate() {
            let left = Left {
                start: group * self.length,
                row: 1,
                step: PANEL,
                depth: self.tiles,
                segment: 0,
                segments: 1,
            };
            product(
                simd,
                (self.seen, left),
                right,
                (sums, PANEL),
                PANEL,
                self.add,
            );
        }
    }
}

/// Transforms the sums of 16 filters back to their gradients.
struct Gradients<'a> {
    sums: &'a [f32],
    /// The stride between positions.
    apart: usize,
    input: usize,
    out: &'a mut [MaybeUninit<f32>],
}

impl WithSimd for Gradients<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for channel in 0..self.input {
            let mut taps = [[0.0; PANEL]; TAPS];
            for lane in (0..PANEL).step_by(S::F32_LANES) {
                let sums = &self.sums[channel * PANEL + lane..];
                let x = |i, j| load::<S>(&sums[(6 * i + j) * self.apart..]);
                let y = |i: usize, j: usize, value| store::<S>(&mut taps[3 * i + j][lane..], value);
                both_ways(simd, FilterTransposed, x, y);
            }
            for (lane, out) in self.out.chunks_exact_mut(self.input * TAPS).enumerate() {
                let out = &mut out[channel * TAPS..][..TAPS];
                for (out, values) in out.iter_mut().zip(&taps) {
                    out.write(values[lane]);
                }
            }
        }
    }
}
