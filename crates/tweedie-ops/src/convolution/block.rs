//! A cube's block of a product of matrices: its size, and its sums in registers.

use crate::device::UNITS;
use cubecl::prelude::*;

/// Terms of the sum per block in shared memory.
pub(super) const DEPTH: usize = 16;
/// Units of a cube along the columns of its block (pixels), and along its rows (channels).
pub(super) const ACROSS: usize = 32;
pub(super) const DOWN: usize = UNITS / ACROSS;

/// The sums of a unit, initially 0.
#[cube]
pub(super) fn zeros(#[comptime] part: [usize; 2]) -> Array<f32> {
    let mut sums = Array::<f32>::new(comptime!(part[0] * part[1]));
    #[unroll]
    for i in 0..comptime!(part[0] * part[1]) {
        sums[i] = 0.0f32;
    }
    sums
}

/// Adds the products of a block. `apart` holds the row strides of the two factors in shared memory.
#[cube]
pub(super) fn accumulate(
    left: &Shared<[f32]>,
    right: &Shared<[f32]>,
    sums: &mut Array<f32>,
    #[comptime] part: [usize; 2],
    #[comptime] apart: [usize; 2],
) {
    let (lane, row) = (UNIT_POS as usize % ACROSS, UNIT_POS as usize / ACROSS);
    let down = comptime!(part[0]);
    let across = comptime!(part[1]);
    for k in 0..DEPTH {
        let mut ours = Array::<f32>::new(down);
        #[unroll]
        for i in 0..down {
            ours[i] = left[k * comptime!(apart[0]) + row * down + i];
        }
        #[unroll]
        for j in 0..across {
            let value = right[k * comptime!(apart[1]) + lane + j * ACROSS];
            #[unroll]
            for i in 0..down {
                sums[i * across + j] += ours[i] * value;
            }
        }
    }
}
