//! The gradient by the weights on GPUs: `∂w[o, k] = Σ_p ∂y[o, p] x̂[k, p]`, the other product of
//! the same factors.
//!
//! There are many pixels and few weights. Several cubes therefore share each sum, and their partial
//! sums are added at the end.

use super::block::{ACROSS, DEPTH, DOWN, accumulate, zeros};
use crate::device::{UNITS, empty, numbers};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// The part of the output that a unit computes: channels, and pairs of a channel and a tap.
const PART: [usize; 2] = [8, 4];
const ROWS: usize = DOWN * PART[0];
const COLUMNS: usize = ACROSS * PART[1];
/// Row strides of the blocks in shared memory: one more than a row is long, to avoid bank conflicts
/// when units write a column.
const APART: [usize; 2] = [ROWS + 1, COLUMNS + 1];
/// The number of cubes that keeps a GPU busy.
const ENOUGH: usize = 512;

#[cube(launch_unchecked)]
fn correlate<F: Float>(
    x: &Tensor<F>,
    dy: &Tensor<F>,
    dw: &mut Tensor<f32>,
    stride: u32,
    above: i32,
    before: i32,
    share: u32,
    #[comptime] kernel: [usize; 2],
    #[define(F)] _numbers: ElemType,
) {
    let taps = comptime!(kernel[0] * kernel[1]);
    let wide = comptime!(kernel[1]);
    let mut left = Shared::<[f32]>::new_slice(comptime!(DEPTH * APART[0]));
    let mut right = Shared::<[f32]>::new_slice(comptime!(DEPTH * APART[1]));
    let mut sums = zeros(PART);

    let unit = UNIT_POS as usize;
    let (made, depth) = (dy.shape(1), x.shape(1) * taps);
    let (height, width) = (x.shape(2) as i32, x.shape(3) as i32);
    let pixels = dy.shape(2) * dy.shape(3);
    let all = dy.shape(0) * pixels;
    let first_row = CUBE_POS_Y as usize * ROWS;
    let first_column = CUBE_POS_X as usize * COLUMNS;
    let mut done = CUBE_POS_Z as usize * share as usize;
    let end = done + share as usize;
    let (of_line, of_depth) = (unit / DEPTH, unit % DEPTH);

    while done < end {
        let pixel = done + of_depth;
        let (image, place) = (pixel / pixels, pixel % pixels);
        let top = ((place / dy.shape(3)) as u32 * stride) as i32 - above;
        let start = ((place % dy.shape(3)) as u32 * stride) as i32 - before;
        let some = pixel < all && pixel < end;
        #[unroll]
        for i in 0..comptime!(ROWS * DEPTH / UNITS) {
            let row = of_line + i * comptime!(UNITS / DEPTH);
            let channel = first_row + row;
            let mut value = 0.0f32;
            if channel < made && some {
                value = f32::cast_from(dy[image * dy.stride(0) + channel * pixels + place]);
            }
            left[of_depth * comptime!(APART[0]) + row] = value;
        }
        #[unroll]
        for i in 0..comptime!(COLUMNS * DEPTH / UNITS) {
            let column = of_line + i * comptime!(UNITS / DEPTH);
            let k = first_column + column;
            let (seen, tap) = (k / taps, k % taps);
            let (line, at) = (top + (tap / wide) as i32, start + (tap % wide) as i32);
            let inside = line >= 0 && line < height && at >= 0 && at < width;
            let mut value = 0.0f32;
            if inside && k < depth && some {
                let image = image * x.stride(0) + seen * x.stride(1);
                value = f32::cast_from(x[image + line as usize * x.stride(2) + at as usize]);
            }
            right[of_depth * comptime!(APART[1]) + column] = value;
        }
        sync_cube();
        accumulate(&left, &right, &mut sums, PART, APART);
        sync_cube();
        done += DEPTH;
    }

    let (lane, row) = (
        unit % ACROSS,
        first_row + unit / ACROSS * comptime!(PART[0]),
    );
    #[unroll]
    for j in 0..comptime!(PART[1]) {
        let k = first_column + lane + j * ACROSS;
        #[unroll]
        for i in 0..comptime!(PART[0]) {
            if row + i < made && k < depth {
                let place = (CUBE_POS_Z as usize * made + row + i) * depth + k;
                dw[place] = sums[i * comptime!(PART[1]) + j];
            }
        }
    }
}

/// Computes `∂/∂w`, of height and width `kernel`, from `∂/∂y`.
pub(super) fn by_weight(
    x: CubeTensor,
    dy: CubeTensor,
    kernel: [usize; 2],
    (stride, before): (usize, [usize; 2]),
) -> CubeTensor {
    let [x, dy] = [x, dy].map(into_contiguous);
    let [_, i, ..] = x.meta.shape().dims::<4>();
    let [n, o, h, w] = dy.meta.shape().dims::<4>();
    let depth = i * kernel[0] * kernel[1];
    let cubes = [depth.div_ceil(COLUMNS), o.div_ceil(ROWS)];
    let steps = (n * h * w).div_ceil(DEPTH);
    let shares = ENOUGH.div_ceil(cubes[0] * cubes[1]).min(steps.div_ceil(8));
    let share = steps.div_ceil(shares);
    let shares = steps.div_ceil(share);
    let parts = empty(&x, [shares, o, depth], DType::F32);
    let (narrow, numbers) = (x.dtype, numbers(&x));
    let [across, down] = cubes.map(|count| count as u32);
    // SAFETY: the kernel checks every index against its tensors, all of which are contiguous.
    #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
    unsafe {
        correlate::launch_unchecked(
            &parts.client,
            CubeCount::new_3d(across, down, shares as u32),
            CubeDim::new_1d(UNITS as u32),
            x.into_tensor_arg(),
            dy.into_tensor_arg(),
            parts.clone().into_tensor_arg(),
            stride as u32,
            before[0] as i32,
            before[1] as i32,
            (share * DEPTH) as u32,
            kernel,
            numbers,
        );
    }
    let sum = match shares {
        1 => parts,
        _ => CubeBackend::float_sum_dim(parts, 0),
    };
    let sum = CubeBackend::float_reshape(sum, [o, i, kernel[0], kernel[1]].into());
    match narrow {
        DType::F32 => sum,
        _ => CubeBackend::float_cast(sum, narrow.into()),
    }
}
