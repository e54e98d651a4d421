//! Gradients through a solution by the implicit function theorem.
//!
//! If `F(x, θ) = 0` defines `x(θ)`, then `vᵀ ∂x/∂θ = −uᵀ ∂F/∂θ` with `(∂F/∂x)ᵀ u = v`. Only the
//! solution is needed, not the iterations that led to it: the memory does not grow with them, and
//! any solver may have been used.
//!
//! # Reference
//! Krantz & Parks 2002; Bai, Kolter & Koltun 2019, "Deep Equilibrium Models", theorem 1,
//! arXiv:1909.01377.

use super::{BiCgStab, Solution, SolveError};
use crate::operator::error::fits;
use crate::values::widened;
use burn::tensor::Tensor;
use tweedie_core::vjp;

/// Returns `vᵀ ∂x/∂θ` for the solution `x` of `f(x, θ) = 0`, and the solution `u` of the adjoint
/// equation.
///
/// `f` is differentiable and returns a tensor of the shape of `x`, with as many equations for each
/// sample as unknowns. `θ` may be shared by the batch. The adjoint equation is solved by BiCGStab,
/// for each sample: a sample's equations must not depend on the other samples' unknowns.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::solver::{BiCgStab, implicit_gradient};
///
/// // x = cos θx, at θ = 1: dx/dθ = −x sin θx/(1 + θ sin θx).
/// let f = |x: Tensor<2>, theta: Tensor<1>| {
///     x.clone() - (x * theta.reshape([1, 1])).cos()
/// };
/// let theta = Tensor::<1>::from_floats([1.0], &Device::flex());
/// let x = Tensor::<2>::from_floats([[0.739_085_1]], &Device::flex());
/// let (gradient, _) =
///     implicit_gradient(f, x.clone(), theta, x.ones_like(), BiCgStab::default())?;
/// let expected = -0.739_085_1 * 0.673_612 / 1.673_612;
/// assert!((gradient.into_scalar::<f64>() - expected).abs() < 1e-5);
/// # Ok::<(), tweedie_inverse::solver::SolveError>(())
/// ```
///
/// # Errors
/// [`SolveError`] if `f(x, θ)` or `v` does not have the shape of `x`, or if the adjoint equation is
/// not solved, as where `∂F/∂x` is singular.
pub fn implicit_gradient<const D: usize, const E: usize>(
    f: impl Fn(Tensor<D>, Tensor<E>) -> Tensor<D>,
    x: Tensor<D>,
    theta: Tensor<E>,
    v: Tensor<D>,
    solver: BiCgStab,
) -> Result<(Tensor<E>, Solution<D>), SolveError> {
    // Sums over an image exceed half precision.
    let (x, theta, v) = (widened(x), widened(theta), widened(v));
    let found = f(x.clone(), theta.clone()).dims();
    for (name, shape) in [("an equation's value", found), ("a cotangent", v.dims())] {
        fits(name, &shape, shape == x.dims(), || {
            format!("{:?}", x.dims())
        })?;
    }
    let transposed = |u: Tensor<D>| {
        let (_, pullback) = vjp(x.clone(), |x| f(x, theta.clone()));
        pullback.apply(u)
    };
    let adjoint = solver.invert(transposed, v)?;
    let (_, pullback) = vjp(theta.clone(), |theta| f(x.clone(), theta));
    let gradient = pullback.apply(adjoint.x.clone()) * -1.0;
    Ok((gradient, adjoint))
}
