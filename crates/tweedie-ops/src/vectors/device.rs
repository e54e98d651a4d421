//! Parameter updates on GPUs: one launch per parameter.

use super::AdamWStep;
use super::extension::Vectors;
use crate::device::{UNITS, empty, numbers, own, sum_of_cube, units};
use burn::backend::tensor::FloatTensor;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Elements per cube in a sum.
const PART: usize = UNITS * 64;

#[cube(launch_unchecked)]
fn adamw<F: Float>(
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
fn average<F: Float>(
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

/// Computes each cube's part of `Σ x²`, or of `Σ x`. If there is only one cube, it adds `before`.
#[cube(launch_unchecked)]
fn sums<F: Float>(
    x: &Tensor<F>,
    before: &Tensor<f32>,
    found: &mut Tensor<f32>,
    #[comptime] squares: bool,
    #[comptime] alone: bool,
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
        if comptime!(alone) {
            found[0] = before[0] + sum;
        } else {
            found[CUBE_POS as usize] = sum;
        }
    }
}

impl Vectors for CubeBackend {
    fn adamw(
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
        // SAFETY: all four are contiguous with the same number of elements; units beyond them do
        // nothing.
        #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
        unsafe {
            adamw::launch_unchecked(
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

    fn average(old: FloatTensor<Self>, new: FloatTensor<Self>, keep: f64) -> FloatTensor<Self> {
        let (old, new) = (own(old), into_contiguous(new));
        let ((count, dim), numbers) = (units(&old), numbers(&old));
        // SAFETY: both are contiguous with the same number of elements; units beyond them do
        // nothing.
        #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
        unsafe {
            average::launch_unchecked(
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

    fn add_squares(sum: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = in_any_order(x);
        let parts = x.meta.shape().num_elements().div_ceil(PART).min(PART);
        if parts == 1 {
            return summed(x, sum, true, 1);
        }
        let sums = summed(x, sum.clone(), true, parts);
        summed(sums, sum, false, 1)
    }
}

/// Returns the elements in the order of memory, without a copy, if the tensor's memory holds each
/// of them exactly once. Otherwise returns a contiguous copy.
fn in_any_order(x: CubeTensor) -> CubeTensor {
    match x.is_nonoverlapping() && x.is_contiguous_buffer() {
        true => {
            let shape = [x.meta.shape().num_elements()].into();
            CubeTensor::new_contiguous(x.client, x.device, shape, x.handle, x.dtype)
        }
        false => into_contiguous(x),
    }
}

/// Computes `Σ x²`, or `Σ x`, in `parts` partial sums. A single part adds `before`.
fn summed(x: CubeTensor, before: CubeTensor, squares: bool, parts: usize) -> CubeTensor {
    let (made, numbers) = (empty(&x, [parts], DType::F32), numbers(&x));
    // SAFETY: units stay within `x`, and each cube writes its own element of `made`.
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
