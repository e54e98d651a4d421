//! Stochastic integrals as sums over a path.
//!
//! | integral | sum | of `w` |
//! |---|---|---|
//! | Itô | `Σ g(t_i, w_i) (w_{i+1} − w_i)` | `½ (w_T² − T)` |
//! | Stratonovich | `Σ ½ (g(t_i, w_i) + g(t_{i+1}, w_{i+1})) (w_{i+1} − w_i)` | `½ w_T²` |
//!
//! Itô's integral is a martingale with `E[(∫ g dw)²] = ∫ E[g²] dt` (isometry), so `∫ g(t) dw` of a
//! function of time is `N(0, ∫ g² dt)`.
//!
//! # Reference
//! Itô 1944; Stratonovich 1966; Øksendal 2003, chapter 3.

use crate::BrownianPath;
use burn::tensor::Tensor;

/// `∫ g(t, w) dw` in the sense of Itô, for each path.
///
/// ```
/// use burn::tensor::{DType, Device, Tensor};
/// use tweedie_sde::{BrownianPath, ito_integral};
///
/// let like = Tensor::<1>::zeros([3], (&Device::flex(), DType::F64));
/// let path = BrownianPath::new(&like, 1.0, 4096, 0);
/// let integral = ito_integral(&path, |_, w| w);
/// let exact = (path.value(4096).clone().square() - 1.0) * 0.5;
/// assert!((integral - exact).abs().max().into_scalar::<f64>() < 0.05);
/// ```
#[must_use]
pub fn ito_integral<const D: usize>(
    path: &BrownianPath<D>,
    g: impl Fn(f64, Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    sum(path, |i| g(path.time(i), path.value(i).clone()))
}

/// `∫ g(t, w) ∘ dw` in the sense of Stratonovich, for each path.
#[must_use]
pub fn stratonovich_integral<const D: usize>(
    path: &BrownianPath<D>,
    g: impl Fn(f64, Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    sum(path, |i| {
        let [from, to] = [i, i + 1].map(|i| g(path.time(i), path.value(i).clone()));
        (from + to) * 0.5
    })
}

/// `Σ g_i (w_{i+1} − w_i)`.
fn sum<const D: usize>(path: &BrownianPath<D>, g: impl Fn(usize) -> Tensor<D>) -> Tensor<D> {
    let nothing = path.value(0).zeros_like();
    (0..path.steps()).fold(nothing, |sum, i| sum + g(i) * path.increment(i))
}
