//! LSQR: least squares by Golub–Kahan bidiagonalisation.
//!
//! `argmin ‖y − A x‖² + damp² ‖x‖²`, the same iterates as conjugate gradients on the normal
//! equations, with less rounding error where `A` is ill-conditioned.
//!
//! # Reference
//! Paige & Saunders 1982, "LSQR: An Algorithm for Sparse Linear Equations and Sparse Least
//! Squares".

use super::iterations::{
    Iterations, Stopping, host, left_over, norms, ratio, squares, stopping, widened, worst,
};
use super::{Solution, SolveError};
use crate::operator::Linear;
use crate::operator::error::require;
use burn::tensor::Tensor;

/// LSQR for every sample of a batch.
///
/// By default at most 1,000 iterations, to the residual of a pseudo-inverse by
/// [`ConjugateGradient`](super::ConjugateGradient). Rounding may leave the solution's residual up
/// to ten times above the tolerance, never more. A sample is frozen when it converges, so that
/// its solution does not depend on the other samples.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_inverse::operator::{AveragePool, Linear, Operator};
/// use tweedie_inverse::solver::Lsqr;
///
/// let pool = AveragePool::new(2)?;
/// let y = Tensor::<4>::random([2, 1, 4, 4], Distribution::Default, &Device::flex());
/// let solution = Lsqr::default().pinv(&pool, y.clone())?;
/// let off = solution.x - pool.pinv(y)?.x;
/// assert!(off.abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lsqr {
    stopping: Stopping,
    damp: f64,
}

stopping!(Lsqr);

impl Lsqr {
    /// Sets the damping: the solution is `(AᵀA + damp²)⁻¹ Aᵀ y`. A solve returns an error unless it
    /// is from 0 to 10¹⁸.
    #[must_use]
    pub fn with_damping(self, damp: f64) -> Self {
        Self { damp, ..self }
    }

    /// `A⁺ y`, or the damped solution.
    ///
    /// The residual is the smaller of `‖r‖/‖y‖` and `‖Āᵀ r‖/(‖A‖ ‖r‖)`, with `r = (y − A x, −damp
    /// x)` and `Ā` the matrix with the damping below it.
    ///
    /// # Errors
    /// [`SolveError`] for a measurement of another shape or not finite, a damping out of range, or
    /// if the iterations do not converge.
    pub fn pinv<const D: usize, A: Linear<D> + ?Sized>(
        self,
        a: &A,
        y: Tensor<D>,
    ) -> Result<Solution<D>, SolveError> {
        let (damp, expected) = (self.damp, "from 0 to 1e18");
        require("damping", damp, expected, (0.0..=1e18).contains(&damp))?;
        a.input_shape(y.dims())?;
        let (y, dtype) = widened(y);
        let scale = norms(&y);
        let mut run = Iterations::new(self.stopping, &y, scale.clone(), [1e-4, 1e-6])?;
        let mut beta = squares(&y).sqrt();
        let mut u = ratio(y.clone(), beta.clone().expand(y.dims()));
        let v = a.adjoint(u.clone());
        let mut alpha = squares(&v).sqrt();
        let shape = v.dims();
        let mut v = ratio(v, alpha.clone().expand(shape));
        let (mut x, mut w) = (v.zeros_like(), v.clone());
        let (mut phi, mut rho) = (beta.clone(), alpha.clone());
        // The squares of the residual that the damping has taken so far.
        let mut damped = phi.zeros_like();
        // A lower bound of ‖A‖: α₁ = ‖Aᵀ y‖/‖y‖.
        let mut size = host(&alpha);
        let mut gradient = alpha.clone() * beta.clone();
        loop {
            let r = (phi.clone().square() + damped.clone()).sqrt();
            let left = left_over(&host(&r), &host(&gradient), &size, &scale);
            if !run.goes_on(left)? {
                break;
            }
            let next = a.apply(v.clone()) - u * alpha.clone();
            beta = squares(&next).sqrt();
            u = ratio(next, beta.clone().expand(y.dims()));
            let next = a.adjoint(u.clone()) - v * beta.clone();
            alpha = squares(&next).sqrt();
            v = ratio(next, alpha.clone().expand(shape));
            for (size, (alpha, beta)) in size
                .iter_mut()
                .zip(host(&alpha).into_iter().zip(host(&beta)))
            {
                *size = size.max(alpha).max(beta);
            }
            // Rotate the damping away, then the subdiagonal.
            let first = (rho.clone().square() + damp * damp).sqrt();
            let (c, s) = (
                ratio(rho, first.clone()),
                ratio(phi.full_like(damp), first.clone()),
            );
            damped = damped + (phi.clone() * s).square();
            phi = phi * c;
            let second = (first.clone().square() + beta.clone().square()).sqrt();
            let (c, s) = (
                ratio(first, second.clone()),
                ratio(beta.clone(), second.clone()),
            );
            let theta = s.clone() * alpha.clone();
            rho = c.clone() * alpha.clone() * -1.0;
            let step = run.only_active(ratio(c.clone() * phi.clone(), second.clone()));
            x = x + w.clone() * step;
            w = v.clone() - w * ratio(theta, second);
            phi = phi * s;
            gradient = phi.clone().abs() * alpha.clone() * c.abs();
        }
        let r = y - a.apply(x.clone());
        let s = a.adjoint(r.clone()) - x.clone() * (damp * damp);
        let whole: Vec<f64> = norms(&r)
            .into_iter()
            .zip(norms(&x))
            .map(|(r, x)| r.hypot(damp * x))
            .collect();
        let residual = worst(&left_over(&whole, &norms(&s), &size, &scale), &scale);
        // The recurrences drift from the true residual by rounding.
        match self.stopping.early_stop || residual <= 10.0 * run.tolerance() {
            true => Ok(run.solution(x.cast(dtype), residual)),
            false => Err(run.failure(residual)),
        }
    }
}
