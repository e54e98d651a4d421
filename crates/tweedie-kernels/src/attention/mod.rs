//! Attention between tokens: what is looked for, `softmax(kᵀ q/√d)`, and what is found there.
//!
//! # Reference
//! Vaswani et al. 2017, eq. 1, arXiv:1706.03762; without ever forming all scores: Dao et al. 2022,
//! "Fast and memory-efficient exact attention with IO-awareness", arXiv:2205.14135.

#[cfg(feature = "cube")]
mod device;
#[cfg(any(feature = "flex", feature = "cube"))]
mod extension;
#[cfg(feature = "flex")]
mod gradient;
#[cfg(feature = "flex")]
mod host;

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{DType, Tensor, module};

/// `o[·, i] = Σ_j v[·, j] p[j, i]` with `p[·, i] = softmax_j(k[·, j] · q[·, i]/√d)`, for each image
/// and head: queries `[batch, heads, d, n]`, keys `[batch, heads, d, m]` and values `[batch, heads,
/// e, m]` to `[batch, heads, e, n]`. Tokens come last, as pixels do.
///
/// On burn's CPU backend, in `f32`, 16 queries at a time meet all keys, 64 in the backward pass,
/// where scores are computed again: no more of them is in memory a thread. There an image gets what
/// it gets alone, bit for bit. On GPUs all scores of a pass are in memory, without gradients too:
/// burn's kernels that keep none, which its autotuning may choose, are not used.
///
/// # Panics
/// For shapes that do not fit, and without keys or features.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_kernels::attention;
///
/// let device = Device::flex();
/// // One query that looks for the second of two keys.
/// let q = Tensor::<4>::from_floats([[[[50.0]]]], &device);
/// let k = Tensor::<4>::from_floats([[[[0.0, 1.0]]]], &device);
/// let v = Tensor::<4>::from_floats([[[[3.0, 7.0]]]], &device);
/// assert!((attention(q, k, v).into_scalar::<f32>() - 7.0).abs() < 1e-6);
/// ```
#[must_use]
pub fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let ([b, h, d, _], [_, _, _, m], [_, _, e, _]) = (q.dims(), k.dims(), v.dims());
    let fits = k.dims() == [b, h, d, m] && v.dims() == [b, h, e, m];
    assert!(
        fits && m * d > 0,
        "attention: queries {:?}, keys {:?} and values {:?}",
        q.dims(),
        k.dims(),
        v.dims()
    );
    #[cfg(any(feature = "flex", feature = "cube"))]
    {
        let some = [q.dims(), v.dims()].as_flattened().iter().all(|&n| n > 0);
        // GPU kernels index the scores with 32 bits.
        #[cfg(feature = "cube")]
        let some =
            some && (crate::on_host(&q) || crate::device::counts(&[&[b, h, q.dims()[3], m]]));
        let same = [&k, &v].iter().all(|x| x.dtype() == q.dtype());
        if some && same && [&q, &k, &v].into_iter().all(crate::has_kernel) {
            return extension::attend(q, k, v);
        }
    }
    composed(q, k, v)
}

/// Of tensor operations, half precision in `f32`: sums of many scores, and drivers that do not know
/// the type.
fn composed(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let dtype = q.dtype();
    let wide = match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    let [q, k, v] = [q, k, v].map(|tensor| tensor.cast(wide).swap_dims(2, 3));
    let o = module::attention(q, k, v, None, None, AttentionModuleOptions::default());
    o.swap_dims(2, 3).cast(dtype)
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;
