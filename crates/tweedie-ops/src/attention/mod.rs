//! Scaled dot-product attention: `v softmax(kᵀ q/√d)`, with tokens as columns.
//!
//! # Reference
//! Vaswani et al. 2017, eq. 1, arXiv:1706.03762. The CPU kernel never forms all scores, as in Dao
//! et al. 2022, "Fast and memory-efficient exact attention with IO-awareness", arXiv:2205.14135.

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

/// Computes scaled dot-product attention for each image and head.
///
/// `o[·, i] = Σ_j v[·, j] p[j, i]` with `p[·, i] = softmax_j(k[·, j] · q[·, i]/√d)`.
///
/// Takes queries `[batch, heads, d, n]`, keys `[batch, heads, d, m]` and values
/// `[batch, heads, e, m]`, and returns `[batch, heads, e, n]`. Tokens are the last dimension, like
/// pixels.
///
/// On burn's CPU backend, in `f32`, each thread holds the scores of 16 queries with all keys. The
/// backward pass recomputes the scores and holds those of 64 queries. There the result of an image
/// has the same bits in a batch of any size. On GPUs all scores of a pass are in memory, also
/// without gradients: burn's fused kernels, which its autotuning may choose, are not used.
///
/// # Panics
/// If the shapes do not match, or if there are no keys or no features.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::attention;
///
/// let device = Device::flex();
/// // The query matches the second of two keys.
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

/// Composes attention of burn's operations. Half precision is computed in `f32`, because the sums
/// run over many scores and some drivers lack the type.
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
