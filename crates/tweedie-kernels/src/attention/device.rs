//! Products of all tokens, and between them one launch: the softmax, or its gradient.

use super::extension::{AttendGradient, AttentionBackend};
use crate::device::{UNITS, over_lanes, own};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::{calculate_cube_count_elemwise, prelude::*};

/// Where a unit's row starts, and where it ends: at once beyond the last one, whose units wait with
/// the others.
#[cube]
fn row(columns: usize, all: usize, #[comptime] lanes: usize) -> (usize, usize) {
    let start = (CUBE_POS * comptime!(UNITS / lanes) + UNIT_POS as usize / lanes) * columns;
    let mut end = start + columns;
    if start >= all {
        end = start;
    }
    (start, end)
}

/// Each row `s` becomes `softmax(scale·s)`.
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

/// Each row `∂p` becomes `scale·p ⊙ (∂p − Σ p ∂p)`.
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
    // Where one key takes almost all, what is left of two large numbers counts: the mean again, of
    // that.
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

/// Cubes for rows, and units of a row: a power of two.
fn rows(x: &CubeTensor) -> (CubeCount, CubeDim, usize) {
    let [b, h, n, m] = x.meta.shape().dims();
    let (lanes, dim) = (
        m.next_power_of_two().min(UNITS),
        CubeDim::new_1d(UNITS as u32),
    );
    let count = calculate_cube_count_elemwise(&x.client, b * h * n * lanes, dim);
    (count, dim, lanes)
}

/// `a b`, each of them transposed where it says so.
fn product(a: CubeTensor, b: CubeTensor, turned: [bool; 2]) -> CubeTensor {
    let turn = |x, turned| match turned {
        true => CubeBackend::float_swap_dims(x, 2, 3),
        false => x,
    };
    CubeBackend::float_matmul(turn(a, turned[0]), turn(b, turned[1]))
}

/// `1/√d`.
fn scale(q: &CubeTensor) -> f32 {
    (1.0 / (q.meta.shape()[2] as f64).sqrt()) as f32
}

/// `pᵀ`, `[batch, heads, n, m]`.
fn probabilities(q: CubeTensor, k: CubeTensor) -> CubeTensor {
    let scale = scale(&q);
    let p = own(product(q, k, [true, false]));
    let (count, dim, lanes) = rows(&p);
    // SAFETY: units of rows that there are stay within them, others do nothing.
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

/// Sums of many scores, and drivers that do not know half precision.
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
        // SAFETY: as above, and both have as many rows.
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
