//! Attention as matrix products over all tokens, with one fused kernel between them: the softmax in
//! the forward pass, its gradient in the backward pass.

use super::extension::{AttendGradient, AttentionBackend};
use crate::device::{UNITS, over_lanes, own};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::{calculate_cube_count_elemwise, prelude::*};

/// Returns the start and the end of the row that a unit works on. Units past the last row get an
/// empty range, so that they still reach every barrier.
#[cube]
fn row(columns: usize, all: usize, #[comptime] lanes: usize) -> (usize, usize) {
    let start = (CUBE_POS * comptime!(UNITS / lanes) + UNIT_POS as usize / lanes) * columns;
    let mut end = start + columns;
    if start >= all {
        end = start;
    }
    (start, end)
}

/// Replaces each row `s` by `softmax(scale·s)`.
#[cube(launch_unchecked)]
fn softmax(s: &mut Tensor<f32>, scale: f32, #[comptime] lanes: usize) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let (start, end) = row(s.shape(3), s.len(), lanes);
    let first = start + UNIT_POS as usize % lanes;
    let mut most = f32::min_value();
    for i in range_stepped(first, end, lanes) {
        most = most.max(s[i] * scale);
    }
    let most = over_lanes(most, &mut shared, lanes, true);
    let mut sum = 0.0f32;
    for i in range_stepped(first, end, lanes) {
        let value = (s[i] * scale - most).exp();
        s[i] = value;
        sum += value;
    }
    let sum = over_lanes(sum, &mut shared, lanes, false);
    for i in range_stepped(first, end, lanes) {
        s[i] /= sum;
    }
}

/// Replaces each row `∂p` by `scale·p ⊙ (∂p − Σ p ∂p)`.
#[cube(launch_unchecked)]
fn through_softmax(p: &Tensor<f32>, dp: &mut Tensor<f32>, scale: f32, #[comptime] lanes: usize) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let (start, end) = row(p.shape(3), p.len(), lanes);
    let first = start + UNIT_POS as usize % lanes;
    let mut sum = 0.0f32;
    for i in range_stepped(first, end, lanes) {
        sum += p[i] * dp[i];
    }
    let mean = over_lanes(sum, &mut shared, lanes, false);
    // Where one key takes almost all the weight, `∂p − mean` is the difference of two large
    // numbers. Subtracting the mean of the remainder once more corrects the rounding error of the
    // first mean.
    let mut sum = 0.0f32;
    for i in range_stepped(first, end, lanes) {
        dp[i] -= mean;
        sum += p[i] * dp[i];
    }
    let rest = over_lanes(sum, &mut shared, lanes, false);
    for i in range_stepped(first, end, lanes) {
        dp[i] = scale * p[i] * (dp[i] - rest);
    }
}

/// Returns the launch size for one row per group of units, and the units of a row, a power of two.
fn rows(x: &CubeTensor) -> (CubeCount, CubeDim, usize) {
    let [b, h, n, m] = x.meta.shape().dims();
    let (lanes, dim) = (
        m.next_power_of_two().min(UNITS),
        CubeDim::new_1d(UNITS as u32),
    );
    let count = calculate_cube_count_elemwise(&x.client, b * h * n * lanes, dim);
    (count, dim, lanes)
}

/// Returns `a b`, each factor transposed if its flag in `turned` is set.
fn product(a: CubeTensor, b: CubeTensor, turned: [bool; 2]) -> CubeTensor {
    let turn = |x, turned| match turned {
        true => CubeBackend::float_swap_dims(x, 2, 3),
        false => x,
    };
    CubeBackend::float_matmul(turn(a, turned[0]), turn(b, turned[1]))
}

/// Returns the factor of the scores, `1/√d`.
fn scale(q: &CubeTensor) -> f32 {
    (1.0 / (q.meta.shape()[2] as f64).sqrt()) as f32
}

/// Returns the probabilities `pᵀ`, `[batch, heads, n, m]`.
fn probabilities(q: CubeTensor, k: CubeTensor) -> CubeTensor {
    let scale = scale(&q);
    let p = own(product(q, k, [true, false]));
    let (count, dim, lanes) = rows(&p);
    // SAFETY: units with a row stay within that row, and units without one do nothing.
    #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
    unsafe {
        softmax::launch_unchecked(
            &p.client,
            count,
            dim,
            p.clone().into_tensor_arg(),
            scale,
            lanes,
        );
    }
    p
}

/// Casts to `f32`, because the sums run over many scores and some drivers lack half precision.
fn wide(x: CubeTensor) -> CubeTensor {
    CubeBackend::float_cast(x, DType::F32.into())
}

impl AttentionBackend for CubeBackend {
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let narrow = q.dtype;
        let [q, k, v] = [q, k, v].map(wide);
        let o = product(v, probabilities(q, k), [false, true]);
        Self::float_cast(o, narrow.into())
    }
}

impl AttendGradient for CubeBackend {
    fn attend_gradient(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let narrow = q.dtype;
        let [q, k, v, dy] = [q, k, v, dy].map(wide);
        let p = probabilities(q.clone(), k.clone());
        let ds = own(product(dy.clone(), v, [true, false]));
        let (count, dim, lanes) = rows(&p);
        // SAFETY: as above; `p` and `ds` have the same shape.
        #[allow(unsafe_code, reason = "a kernel that checks its bounds itself")]
        unsafe {
            through_softmax::launch_unchecked(
                &p.client,
                count,
                dim,
                p.clone().into_tensor_arg(),
                ds.clone().into_tensor_arg(),
                scale(&q),
                lanes,
            );
        }
        let dv = product(dy, p, [false, false]);
        let dq = product(k, ds.clone(), [false, true]);
        let dk = product(q, ds, [false, false]);
        let [dq, dk, dv] = [dq, dk, dv].map(|x| Self::float_cast(x, narrow.into()));
        (dq, dk, dv)
    }
}
