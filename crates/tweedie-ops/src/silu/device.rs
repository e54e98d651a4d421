//! SiLU on GPUs: one unit per element.

use super::extension::{Silu, SiluGradient};
use crate::device::{empty, numbers, units};
use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use cubecl::prelude::*;

/// Returns `1/(1 + e⁻ˣ)`.
#[cube]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0f32 / (1.0f32 + (-x).exp())
}

/// Returns the derivative of SiLU, `s + s x (1 − s)`. Computing `1 − s` as `e⁻ˣ s` avoids
/// cancellation.
#[cube]
pub(crate) fn slope(x: f32) -> f32 {
    let x = x.max(-87.0f32).min(87.0f32);
    let e = (-x).exp();
    let s = 1.0f32 / (1.0f32 + e);
    s * (1.0f32 + x * (e * s))
}

#[cube(launch_unchecked)]
fn forward<F: Float>(x: &Tensor<F>, y: &mut Tensor<F>, #[define(F)] _numbers: ElemType) {
    let at = ABSOLUTE_POS as usize;
    if at < y.len() {
        let x = f32::cast_from(x[at]);
        y[at] = F::cast_from(x * sigmoid(x));
    }
}

#[cube(launch_unchecked)]
fn backward<F: Float>(
    x: &Tensor<F>,
    dy: &Tensor<F>,
    dx: &mut Tensor<F>,
    #[define(F)] _numbers: ElemType,
) {
    let at = ABSOLUTE_POS as usize;
    if at < dx.len() {
        let slope = slope(f32::cast_from(x[at]));
        dx[at] = F::cast_from(f32::cast_from(dy[at]) * slope);
    }
}

impl Silu for CubeBackend {
    fn silu_of(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let y = empty(&x, x.meta.shape().clone(), x.dtype);
        let ((count, dim), numbers) = (units(&x), numbers(&x));
        // SAFETY: `x` and `y` are contiguous with the same number of elements; units beyond them do
        // nothing.
        #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
        unsafe {
            forward::launch_unchecked(
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
}

impl SiluGradient for CubeBackend {
    fn silu_gradient(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        let [x, dy] = [x, dy].map(into_contiguous);
        let dx = empty(&x, x.meta.shape().clone(), x.dtype);
        let ((count, dim), numbers) = (units(&x), numbers(&x));
        // SAFETY: all three are contiguous with the same number of elements; units beyond them do
        // nothing.
        #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
        unsafe {
            backward::launch_unchecked(
                &dx.client,
                count,
                dim,
                x.into_tensor_arg(),
                dy.into_tensor_arg(),
                dx.clone().into_tensor_arg(),
                numbers,
            );
        }
        dx
    }
}
