//! Concatenation and its gradient on GPUs: one unit per element.

use super::extension::{ConcatChannels, Join};
use crate::device::{empty, numbers, units};
use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use cubecl::prelude::*;

#[cube(launch_unchecked)]
fn joined<F: Numeric>(
    a: &Tensor<F>,
    b: &Tensor<F>,
    y: &mut Tensor<F>,
    #[define(F)] _numbers: ElemType,
) {
    let at = ABSOLUTE_POS as usize;
    if at < y.len() {
        let (image, place) = (at / y.stride(0), at % y.stride(0));
        let first = a.stride(0);
        if place < first {
            y[at] = a[image * first + place];
        } else {
            y[at] = b[image * b.stride(0) + place - first];
        }
    }
}

#[cube(launch_unchecked)]
fn channels<F: Numeric>(
    x: &Tensor<F>,
    y: &mut Tensor<F>,
    first: u32,
    #[define(F)] _numbers: ElemType,
) {
    let at = ABSOLUTE_POS as usize;
    if at < y.len() {
        let (image, place) = (at / y.stride(0), at % y.stride(0));
        y[at] = x[image * x.stride(0) + first as usize * x.stride(1) + place];
    }
}

impl Join for CubeBackend {
    fn joined(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let [a, b] = [a, b].map(into_contiguous);
        let ([n, i, h, w], [_, j, ..]) = (a.meta.shape().dims::<4>(), b.meta.shape().dims::<4>());
        let y = empty(&a, [n, i + j, h, w], a.dtype);
        let ((count, dim), numbers) = (units(&y), numbers(&y));
        // SAFETY: `y` has as many elements as `a` and `b` together, image by image; units beyond
        // them do nothing.
        #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
        unsafe {
            joined::launch_unchecked(
                &y.client,
                count,
                dim,
                a.into_tensor_arg(),
                b.into_tensor_arg(),
                y.clone().into_tensor_arg(),
                numbers,
            );
        }
        y
    }
}

impl ConcatChannels for CubeBackend {
    fn channels(x: FloatTensor<Self>, [first, count]: [usize; 2]) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let [n, _, h, w] = x.meta.shape().dims();
        let y = empty(&x, [n, count, h, w], x.dtype);
        let ((cubes, dim), numbers) = (units(&y), numbers(&y));
        // SAFETY: `first..first + count` are channels of `x`; units beyond the output do nothing.
        #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
        unsafe {
            channels::launch_unchecked(
                &y.client,
                cubes,
                dim,
                x.into_tensor_arg(),
                y.clone().into_tensor_arg(),
                first as u32,
                numbers,
            );
        }
        y
    }
}
