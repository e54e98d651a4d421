//! Helpers shared by the GPU kernels.

use burn::backend::DispatchTensorKind;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::{calculate_cube_count_elemwise, prelude::*};

/// Units of a cube.
pub(crate) const UNITS: usize = 256;

/// Returns whether the elements of all `shapes` together can be indexed with an `i32`, as the
/// kernels do.
pub(crate) fn counts(shapes: &[&[usize]]) -> bool {
    let count = |shape: &&[usize]| shape.iter().try_fold(1_usize, |n, &m| n.checked_mul(m));
    let sum = shapes.iter().try_fold(0_usize, |sum, shape| {
        count(shape).and_then(|n| sum.checked_add(n))
    });
    sum.is_some_and(|sum| sum < 1 << 31)
}

/// Returns whether these kernels can read a tensor, by its backend, its dtype and its number of
/// elements.
pub(crate) fn takes<const D: usize>(x: &burn::tensor::Tensor<D>) -> bool {
    let mut kind = &x.clone().into_dispatch().kind;
    while let DispatchTensorKind::Autodiff(inner) = kind {
        kind = inner;
    }
    let floats = [DType::F32, DType::BF16, DType::F16];
    matches!(kind, DispatchTensorKind::Cube(_))
        && floats.contains(&x.dtype())
        && counts(&[&x.dims()])
}

/// Allocates an uninitialised contiguous tensor on the device of `like`.
pub(crate) fn empty(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        shape.into(),
        dtype,
    )
}

/// Returns the element type that a kernel reads and writes.
pub(crate) fn numbers(like: &CubeTensor) -> ElemType {
    dtype_to_storage_type(like.dtype)
}

/// Returns the launch size for one unit per element.
pub(crate) fn units(x: &CubeTensor) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(UNITS as u32);
    let numbers = x.meta.shape().num_elements();
    (calculate_cube_count_elemwise(&x.client, numbers, dim), dim)
}

/// Returns a contiguous tensor that no one else holds, copying `x` if needed.
pub(crate) fn own(x: CubeTensor) -> CubeTensor {
    if !x.is_contiguous() {
        return into_contiguous(x);
    }
    if x.can_mut() {
        return x;
    }
    // burn's own copy may leave gaps between rows.
    let y = empty(&x, x.meta.shape().clone(), x.dtype);
    let ((count, dim), numbers) = (units(&x), numbers(&x));
    // SAFETY: both tensors are contiguous with the same number of elements; units beyond them do
    // nothing.
    #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
    unsafe {
        copy::launch_unchecked(
            &y.client,
            count,
            dim,
            x.into_tensor_arg(),
            y.clone().into_tensor_arg(),
            numbers,
        );
    }
    y
}

#[cube(launch_unchecked)]
fn copy<F: Numeric>(x: &Tensor<F>, y: &mut Tensor<F>, #[define(F)] _numbers: ElemType) {
    let at = ABSOLUTE_POS as usize;
    if at < y.len() {
        y[at] = x[at];
    }
}

/// Returns the sum of `value` over the units of a cube, to all of them.
#[cube]
pub(crate) fn sum_of_cube(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    over_lanes(value, shared, UNITS, false)
}

/// Reduces `value` over groups of `lanes` neighbouring units, a power of two. Every unit of a group
/// gets the sum, or the maximum if `largest` is set.
#[cube]
pub(crate) fn over_lanes(
    value: f32,
    shared: &mut Shared<[f32]>,
    #[comptime] lanes: usize,
    #[comptime] largest: bool,
) -> f32 {
    let unit = UNIT_POS as usize;
    // Another unit may still read the result of the previous call.
    sync_cube();
    shared[unit] = value;
    sync_cube();
    #[unroll]
    for step in 0..comptime!(lanes.ilog2() as usize) {
        let half = comptime!(lanes >> (step + 1));
        if unit % lanes < half {
            let (mine, other) = (shared[unit], shared[unit + half]);
            if comptime!(largest) {
                shared[unit] = mine.max(other);
            } else {
                shared[unit] = mine + other;
            }
        }
        sync_cube();
    }
    shared[unit - unit % lanes]
}
