//! One launch a parameter.

use super::AdamWStep;
use super::extension::Vectors;
use crate::device::{UNITS, empty, numbers, own, sum_of_cube, units};
use burn::backend::tensor::FloatTensor;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Numbers of a sum that one unit takes before others help.
const A_UNIT: usize = 64;

#[cube(launch_unchecked)]
fn step<F: Float>(
    parameter: &mut Tensor<F>,
    gradient: &Tensor<F>,
    m: &mut Tensor<F>,
    v: &mut Tensor<F>,
    keep_m: f32,
    new_m: f32,
    keep_v: f32,
    new_v: f32,
    first: f32,
    second: f32,
    kept: f32,
    rate: f32,
    epsilon: f32,
    #[define(F)] _numbers: ElemType,
) {
    let at = ABSOLUTE_POS as usize;
    if at < parameter.len() {
        let g = f32::cast_from(gradient[at]);
        let new_m = keep_m * f32::cast_from(m[at]) + new_m * g;
        let new_v = keep_v * f32::cast_from(v[at]) + new_v * (g * g);
        let update = new_m * first / ((new_v * second).sqrt() + epsilon);
        let moved = kept * f32::cast_from(parameter[at]) - rate * update;
        m[at] = F::cast_from(new_m);
        v[at] = F::cast_from(new_v);
        parameter[at] = F::cast_from(moved);
    }
}

#[cube(launch_unchecked)]
fn mix<F: Float>(
    old: &mut Tensor<F>,
    new: &Tensor<F>,
    a: f32,
    b: f32,
    #[define(F)] _numbers: ElemType,
) {
    let at = ABSOLUTE_POS as usize;
    if at < old.len() {
        old[at] = F::cast_from(a * f32::cast_from(old[at]) + b * f32::cast_from(new[at]));
    }
}

/// Each cube's part of `Σ x²`, or of `Σ x`; the only cube adds `before`.
#[cube(launch_unchecked)]
fn sums<F: Float>(
    x: &Tensor<F>,
    before: &Tensor<f32>,
    sums: &mut Tensor<f32>,
    #[comptime] squares: bool,
    #[comptime] last: bool,
    #[define(F)] _numbers: ElemType,
) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut sum = 0.0f32;
    for i in range_stepped(ABSOLUTE_POS as usize, x.len(), CUBE_COUNT as usize * UNITS) {
        let value = f32::cast_from(x[i]);
        if comptime!(squares) {
            sum += value * value;
        } else {
            sum += value;
        }
    }
    let sum = sum_of_cube(sum, &mut shared);
    if UNIT_POS == 0 {
        if comptime!(last) {
            sums[0] = before[0] + sum;
        } else {
            sums[CUBE_POS as usize] = sum;
        }
    }
}

impl Vectors for CubeBackend {
    fn adamw_step(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        how: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [parameter, m, v] = [parameter, m, v].map(own);
        let gradient = into_contiguous(gradient);
        let ((count, dim), numbers) = (units(&parameter), numbers(&parameter));
        let [keep_m, keep_v] = how.keep.map(|keep| keep as f32);
        let [new_m, new_v] = how.keep.map(|keep| (1.0 - keep) as f32);
        let [first, second] = how.corrections().map(|factor| factor as f32);
        // SAFETY: all have as many numbers, in order; units beyond them do nothing.
        #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
        unsafe {
            step::launch_unchecked(
                &parameter.client,
                count,
                dim,
                parameter.clone().into_tensor_arg(),
                gradient.into_tensor_arg(),
                m.clone().into_tensor_arg(),
                v.clone().into_tensor_arg(),
                keep_m,
                new_m,
                keep_v,
                new_v,
                first,
                second,
                how.kept() as f32,
                how.learning_rate as f32,
                how.epsilon as f32,
                numbers,
            );
        }
        (parameter, m, v)
    }

    fn average_of(old: FloatTensor<Self>, new: FloatTensor<Self>, keep: f64) -> FloatTensor<Self> {
        let (old, new) = (own(old), into_contiguous(new));
        let ((count, dim), numbers) = (units(&old), numbers(&old));
        // SAFETY: both have as many numbers, in order; units beyond them do nothing.
        #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
        unsafe {
            mix::launch_unchecked(
                &old.client,
                count,
                dim,
                old.clone().into_tensor_arg(),
                new.into_tensor_arg(),
                keep as f32,
                (1.0 - keep) as f32,
                numbers,
            );
        }
        old
    }

    fn scaled_by(x: FloatTensor<Self>, factor: f64) -> FloatTensor<Self> {
        <Self as burn::backend::ops::FloatTensorOps<Self>>::float_mul_scalar(x, factor.into())
    }

    fn squares_added(sum: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = in_any_order(x);
        let parts = x.meta.shape().num_elements().div_ceil(UNITS * A_UNIT);
        let parts = parts.min(UNITS * A_UNIT);
        if parts == 1 {
            return add(x, sum, true, 1);
        }
        let sums = add(x, sum.clone(), true, parts);
        add(sums, sum, false, 1)
    }
}

/// The numbers of a tensor that fills its memory, as they lie there; a copy of others.
fn in_any_order(x: CubeTensor) -> CubeTensor {
    match x.is_nonoverlapping() && x.is_contiguous_buffer() {
        true => {
            let shape = [x.meta.shape().num_elements()].into();
            CubeTensor::new_contiguous(x.client, x.device, shape, x.handle, x.dtype)
        }
        false => into_contiguous(x),
    }
}

/// By so many cubes; the only one adds `before`.
fn add(x: CubeTensor, before: CubeTensor, squares: bool, parts: usize) -> CubeTensor {
    let (made, numbers) = (empty(&x, [parts], DType::F32), numbers(&x));
    // SAFETY: units stay within `x`, and each cube has its number in `made`.
    #[allow(unsafe_code, reason = "a kernel without bounds to check")]
    unsafe {
        sums::launch_unchecked(
            &made.client,
            CubeCount::new_1d(parts as u32),
            CubeDim::new_1d(UNITS as u32),
            x.into_tensor_arg(),
            before.into_tensor_arg(),
            made.clone().into_tensor_arg(),
            squares,
            parts == 1,
            numbers,
        );
    }
    made
}
