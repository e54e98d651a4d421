//! What kernels for GPUs share.

use burn::backend::DispatchTensorKind;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::{DType, Shape, Tensor};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Units of a cube.
pub(crate) const UNITS: usize = 256;

/// Whether a tensor lies where these kernels run, in a precision that they read.
pub(crate) fn takes<const D: usize>(x: &Tensor<D>) -> bool {
    let mut kind = &x.clone().into_dispatch().kind;
    while let DispatchTensorKind::Autodiff(inner) = kind {
        kind = inner;
    }
    let floats = [DType::F32, DType::BF16, DType::F16];
    matches!(kind, DispatchTensorKind::Cube(_)) && floats.contains(&x.dtype())
}

/// A tensor without gaps whose numbers are still to be written, where `like` is.
pub(crate) fn empty(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        shape.into(),
        dtype,
    )
}

/// What a kernel reads and writes.
pub(crate) fn numbers(like: &CubeTensor) -> ElemType {
    dtype_to_storage_type(like.dtype)
}

/// The sum of what the units of a cube have, for all of them.
#[cube]
pub(crate) fn sum_of_cube(value: f32, sums: &mut Shared<[f32]>) -> f32 {
    let unit = UNIT_POS as usize;
    // Whoever still reads the last sum.
    sync_cube();
    sums[unit] = value;
    sync_cube();
    #[unroll]
    for step in 0..comptime!(UNITS.ilog2() as usize) {
        let half = comptime!(UNITS >> (step + 1));
        if unit < half {
            let other = sums[unit + half];
            sums[unit] += other;
        }
        sync_cube();
    }
    sums[0]
}
