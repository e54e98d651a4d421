//! Spherical interpolation of latents.
//!
//! `slerp(a, b, w) = (sin((1−w)θ) a + sin(wθ) b)/sin θ`, `cos θ = ⟨a, b⟩/(‖a‖ ‖b‖)` for each
//! sample. High-dimensional Gaussian latents are close to a sphere, which a straight line between
//! two of them leaves.
//!
//! # Reference
//! Shoemake 1985; Song, Meng & Ermon 2021, eq. 67, arXiv:2010.02502.

use burn::tensor::Tensor;
use tweedie_core::{column, per_sample_sum};

/// Interpolates along the arc from `a` to `b`, sample by sample: `a` at `weight` 0, `b` at 1.
/// Samples that are parallel, opposite or zero are interpolated linearly.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_samplers::slerp;
///
/// let a = Tensor::<2>::from_floats([[1.0, 0.0]], &Device::flex());
/// let b = Tensor::<2>::from_floats([[0.0, 1.0]], &Device::flex());
/// let middle = slerp(a, b, 0.5).into_data().try_into_vec::<f32>()?;
/// assert!((middle[0] - 0.5_f32.sqrt()).abs() < 1e-6 && (middle[1] - 0.5_f32.sqrt()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// If the shapes differ.
#[must_use]
pub fn slerp<const D: usize>(a: Tensor<D>, b: Tensor<D>, weight: f64) -> Tensor<D> {
    assert_eq!(a.dims(), b.dims(), "slerp: shapes of the two ends");
    let product = |x: &Tensor<D>, y: &Tensor<D>| -> Vec<f64> {
        let sums = per_sample_sum(x.clone() * y.clone());
        sums.into_data().iter::<f64>().collect()
    };
    let (ab, aa, bb) = (product(&a, &b), product(&a, &a), product(&b, &b));
    let weights: Vec<(f64, f64)> = ab
        .iter()
        .zip(aa.iter().zip(&bb))
        .map(|(ab, (aa, bb))| {
            let angle = (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0).acos();
            let part = |w: f64| (w * angle).sin() / angle.sin();
            let parts = (part(1.0 - weight), part(weight));
            // Parallel, opposite or zero vectors have no arc.
            let defined = angle.sin() > 1e-4 && parts.0.is_finite() && parts.1.is_finite();
            if defined {
                parts
            } else {
                (1.0 - weight, weight)
            }
        })
        .collect();
    let first: Vec<f64> = weights.iter().map(|w| w.0).collect();
    let second: Vec<f64> = weights.iter().map(|w| w.1).collect();
    let (first, second) = (column(&first, &a), column(&second, &b));
    a * first + b * second
}
