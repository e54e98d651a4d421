//! SiLU, `x/(1 + e⁻ˣ)`, in one pass.

#[cfg(feature = "cube")]
pub(crate) mod device;
#[cfg(any(feature = "flex", feature = "cube"))]
mod extension;
#[cfg(feature = "flex")]
pub(crate) mod host;

use burn::tensor::{Tensor, activation};

/// Computes `silu(x) = x/(1 + e⁻ˣ)` of every element, with its gradient.
///
/// In `f32` on burn's CPU backend it runs over all cores, and is exact to a few units in the last
/// place plus 10⁻³⁵.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::silu;
///
/// let y = silu(Tensor::<1>::from_floats([-100.0, 0.0, 1.0, 100.0], &Device::flex()));
/// let y: Vec<f32> = y.into_data().iter().collect();
/// assert_eq!((y[1], y[3]), (0.0, 100.0));
/// assert!(y[0].abs() < 1e-30 && (y[2] - 0.731_058_6).abs() < 1e-6);
/// ```
#[must_use]
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(any(feature = "flex", feature = "cube"))]
    if x.shape().num_elements() > 0 && crate::has_kernel(&x) {
        return extension::silu(x);
    }
    activation::silu(x)
}
