//! The law of every adjoint: `⟨A x, y⟩ = ⟨x, Aᵀ y⟩`.

use crate::Linear;
use burn::tensor::Tensor;

/// `|⟨A x, y⟩ − ⟨x, Aᵀ y⟩| / (‖A x‖ ‖y‖)`: of the order of rounding for every honest adjoint.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_inverse::{AveragePool, adjoint_gap};
///
/// let random = |shape| Tensor::<4>::random(shape, Distribution::Default, &Device::flex());
/// let (x, y) = (random([2, 3, 8, 12]), random([2, 3, 4, 6]));
/// assert!(adjoint_gap(&AveragePool::new(2)?, x, y) < 1e-5);
/// # Ok::<(), tweedie_inverse::OperatorError>(())
/// ```
pub fn adjoint_gap<const D: usize>(
    a: &(impl Linear<D> + ?Sized),
    x: Tensor<D>,
    y: Tensor<D>,
) -> f64 {
    let dot = |u: Tensor<D>, v: Tensor<D>| (u * v).sum().into_scalar::<f64>();
    let ax = a.apply(x.clone());
    let scale = (dot(ax.clone(), ax.clone()) * dot(y.clone(), y.clone())).sqrt();
    let gap = dot(ax, y.clone()) - dot(x, a.adjoint(y));
    gap.abs() / scale.max(f64::MIN_POSITIVE)
}
