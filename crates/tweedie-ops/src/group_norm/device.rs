//! Group normalisation on GPUs: one cube per group of an image.

use super::GroupNormalisation;
use super::extension::{How, Normalise, NormaliseGradient};
use crate::device::{UNITS, empty, numbers, sum_of_cube};
use crate::silu::device::{sigmoid, slope};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Returns the first channel of this cube's group.
#[cube]
fn first_channel(of_group: usize) -> usize {
    CUBE_POS_X as usize * of_group
}

/// Returns the value of `vector` for a channel of this cube's image.
#[cube]
fn of_channel<F: Float>(vector: &Tensor<F>, channel: usize) -> f32 {
    let image = CUBE_POS_Y as usize;
    f32::cast_from(vector[image * vector.stride(0) + channel * vector.stride(1)])
}

/// Returns `b` for a channel, or 0 if there is no `b`.
#[cube]
fn shift_of<F: Float>(b: &Tensor<F>, channel: usize, #[comptime] shifted: bool) -> f32 {
    let mut shift = 0.0f32;
    if comptime!(shifted) {
        shift = of_channel::<F>(b, channel);
    }
    shift
}

/// Returns the mean and `1/√(variance + ε)` of `x + b`.
#[cube]
fn moments<F: Float>(
    x: &Tensor<F>,
    b: &Tensor<F>,
    epsilon: f32,
    sums: &mut Shared<[f32]>,
    #[comptime] shifted: bool,
) -> (f32, f32) {
    let pixels = x.shape(2) * x.shape(3);
    let channels = x.shape(1) / CUBE_COUNT_X as usize;
    let first = first_channel(channels);
    let start = CUBE_POS_Y as usize * x.stride(0) + first * pixels;
    let count = channels * pixels;
    let mut sum = 0.0f32;
    for i in range_stepped(UNIT_POS as usize, count, UNITS) {
        sum += f32::cast_from(x[start + i]) + shift_of::<F>(b, first + i / pixels, shifted);
    }
    let mean = sum_of_cube(sum, sums) / f32::cast_from(count);
    let mut square = 0.0f32;
    for i in range_stepped(UNIT_POS as usize, count, UNITS) {
        let b = shift_of::<F>(b, first + i / pixels, shifted);
        let off = f32::cast_from(x[start + i]) + (b - mean);
        square += off * off;
    }
    let variance = sum_of_cube(square, sums) / f32::cast_from(count);
    (mean, 1.0f32 / (variance + epsilon).sqrt())
}

#[cube(launch_unchecked)]
fn forward<F: Float>(
    x: &Tensor<F>,
    a: &Tensor<F>,
    b: &Tensor<F>,
    d: &Tensor<F>,
    y: &mut Tensor<F>,
    epsilon: f32,
    #[comptime] silu: bool,
    #[comptime] shifted: bool,
    #[define(F)] _numbers: ElemType,
) {
    let mut sums = Shared::<[f32]>::new_slice(UNITS);
    let (mean, scale) = moments::<F>(x, b, epsilon, &mut sums, shifted);
    let pixels = x.shape(2) * x.shape(3);
    let channels = x.shape(1) / CUBE_COUNT_X as usize;
    let first = first_channel(channels);
    let start = CUBE_POS_Y as usize * x.stride(0) + first * pixels;
    let count = channels * pixels;
    for i in range_stepped(UNIT_POS as usize, count, UNITS) {
        let channel = i / pixels;
        let a = of_channel::<F>(a, first + channel) * scale;
        let shift = shift_of::<F>(b, first + channel, shifted) - mean;
        let d = of_channel::<F>(d, first + channel);
        let u = (f32::cast_from(x[start + i]) + shift) * a + d;
        if comptime!(silu) {
            y[start + i] = F::cast_from(u * sigmoid(u));
        } else {
            y[start + i] = F::cast_from(u);
        }
    }
}

/// Returns `act′(u) ∂y`.
#[cube]
fn through(u: f32, dy: f32, #[comptime] silu: bool) -> f32 {
    if comptime!(silu) { dy * slope(u) } else { dy }
}

/// Computes the gradients. The host kernel documents the formula and the names.
#[cube(launch_unchecked)]
fn backward<F: Float>(
    x: &Tensor<F>,
    a: &Tensor<F>,
    b: &Tensor<F>,
    d: &Tensor<F>,
    dy: &Tensor<F>,
    dx: &mut Tensor<F>,
    vectors: &mut Tensor<f32>,
    epsilon: f32,
    #[comptime] silu: bool,
    #[comptime] shifted: bool,
    #[define(F)] _numbers: ElemType,
) {
    let mut sums = Shared::<[f32]>::new_slice(UNITS);
    let (mean, scale) = moments::<F>(x, b, epsilon, &mut sums, shifted);
    let pixels = x.shape(2) * x.shape(3);
    let channels = x.shape(1) / CUBE_COUNT_X as usize;
    let first = first_channel(channels);
    let start = CUBE_POS_Y as usize * x.stride(0) + first * pixels;
    // The index of the first channel's gradient by `a`, and the offsets to those by `b` and `d`.
    let image = CUBE_POS_Y as usize * vectors.stride(1) + first;
    let (to_b, to_d) = (vectors.stride(0), 2 * vectors.stride(0));
    let mut of_ones = 0.0f32;
    let mut of_z = 0.0f32;
    for channel in 0..channels {
        let slope = of_channel::<F>(a, first + channel);
        let shift = shift_of::<F>(b, first + channel, shifted) - mean;
        let d = of_channel::<F>(d, first + channel);
        let start = start + channel * pixels;
        let mut by_a = 0.0f32;
        let mut by_d = 0.0f32;
        let mut zs = 0.0f32;
        for i in range_stepped(UNIT_POS as usize, pixels, UNITS) {
            let z = (f32::cast_from(x[start + i]) + shift) * scale;
            let g = through(slope * z + d, f32::cast_from(dy[start + i]), silu);
            by_a += g * z;
            by_d += g;
            zs += z;
        }
        let by_a = sum_of_cube(by_a, &mut sums);
        let by_d = sum_of_cube(by_d, &mut sums);
        let zs = sum_of_cube(zs, &mut sums);
        of_ones += by_d * slope;
        of_z += by_a * slope;
        if UNIT_POS == 0 {
            let place = image + channel;
            vectors[place] = by_a;
            vectors[to_b + place] = zs;
            vectors[to_d + place] = by_d;
        }
    }
    let count = channels * pixels;
    let of_ones = of_ones / f32::cast_from(count);
    let of_z = of_z / f32::cast_from(count);
    if UNIT_POS == 0 {
        for channel in 0..channels {
            let slope = of_channel::<F>(a, first + channel);
            let place = image + channel;
            let (by_d, zs) = (vectors[to_d + place], vectors[to_b + place]);
            let ones = of_ones * f32::cast_from(pixels);
            vectors[to_b + place] = scale * (slope * by_d - ones - of_z * zs);
        }
    }
    for i in range_stepped(UNIT_POS as usize, count, UNITS) {
        let channel = i / pixels;
        let slope = of_channel::<F>(a, first + channel);
        let shift = shift_of::<F>(b, first + channel, shifted) - mean;
        let d = of_channel::<F>(d, first + channel);
        let z = (f32::cast_from(x[start + i]) + shift) * scale;
        let g = through(slope * z + d, f32::cast_from(dy[start + i]), silu);
        dx[start + i] = F::cast_from(scale * (g * slope - of_ones - z * of_z));
    }
}

/// Returns the launch size: groups along x, images along y.
fn cubes(x: &CubeTensor, how: GroupNormalisation) -> (CubeCount, CubeDim) {
    let (groups, images) = (how.groups as u32, x.meta.shape()[0] as u32);
    (
        CubeCount::new_2d(groups, images),
        CubeDim::new_1d(UNITS as u32),
    )
}

impl Normalise for CubeBackend {
    fn normalise(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        d: FloatTensor<Self>,
        how: How,
    ) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let y = empty(&x, x.meta.shape().clone(), x.dtype);
        let ((count, dim), numbers) = (cubes(&x, how.norm), numbers(&x));
        let norm = how.norm;
        // SAFETY: the cubes cover every group of every image, and their units read and write only
        // elements of that group.
        #[allow(unsafe_code, reason = "a kernel without bounds to check")]
        unsafe {
            forward::launch_unchecked(
                &y.client,
                count,
                dim,
                x.into_tensor_arg(),
                a.into_tensor_arg(),
                b.into_tensor_arg(),
                d.into_tensor_arg(),
                y.clone().into_tensor_arg(),
                norm.epsilon as f32,
                norm.silu,
                how.shifted,
                numbers,
            );
        }
        y
    }
}

impl NormaliseGradient for CubeBackend {
    fn normalise_gradient(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        d: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        how: How,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let [x, dy] = [x, dy].map(into_contiguous);
        let dx = empty(&x, x.meta.shape().clone(), x.dtype);
        let [n, c, ..] = x.meta.shape().dims::<4>();
        let vectors = empty(&x, [3, n, c], DType::F32);
        let ((count, dim), numbers) = (cubes(&x, how.norm), numbers(&x));
        let narrow = x.dtype;
        let norm = how.norm;
        // SAFETY: the cubes cover every group of every image, and their units read and write only
        // elements of that group.
        #[allow(unsafe_code, reason = "a kernel without bounds to check")]
        unsafe {
            backward::launch_unchecked(
                &dx.client,
                count,
                dim,
                x.into_tensor_arg(),
                a.into_tensor_arg(),
                b.into_tensor_arg(),
                d.into_tensor_arg(),
                dy.into_tensor_arg(),
                dx.clone().into_tensor_arg(),
                vectors.clone().into_tensor_arg(),
                norm.epsilon as f32,
                norm.silu,
                how.shifted,
                numbers,
            );
        }
        let vectors = match narrow {
            DType::F32 => vectors,
            _ => Self::float_cast(vectors, narrow.into()),
        };
        let [da, db, dd] = [0, 1, 2].map(|i| {
            let row = burn_cubecl::kernel::slice(vectors.clone(), &[i..i + 1, 0..n, 0..c]);
            burn_cubecl::ops::reshape(row, [n, c].into())
        });
        (dx, da, db, dd)
    }
}
