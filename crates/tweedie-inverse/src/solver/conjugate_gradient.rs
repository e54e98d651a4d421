//! Conjugate gradients for equations with linear operators.
//!
//! # Reference
//! Hestenes and Stiefel 1952, "Methods of conjugate gradients for solving linear systems"; the
//! least-squares form is theirs too (CGLS, Björck 1996, algorithm 7.4.1).

use super::iterations::{
    Iterations, Stopping, dot, left_over, norms, positive, squares, stopping, widened, worst,
};
use super::{Solution, SolveError};
use crate::operator::Linear;
use burn::tensor::Tensor;

/// Conjugate gradients for every sample of a batch.
///
/// A sample is frozen when it converges, so that its solution does not depend on the other samples.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_inverse::operator::{Blur, Linear, Operator, Padding, PointSpread};
/// use tweedie_inverse::solver::ConjugateGradient;
///
/// let blur = Blur::new(PointSpread::gaussian(1.0)?, Padding::Reflect);
/// let b = Tensor::<4>::random([1, 1, 16, 16], Distribution::Default, &Device::flex());
/// let solution = ConjugateGradient::default().solve(&blur, b.clone(), 0.1)?;
/// assert!(solution.iterations > 0 && solution.residual < Some(1e-4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// By default at most 1,000 iterations, to a relative residual of `10⁻¹⁰` (`f64`) or `10⁻⁵` (`f32`)
/// for equations, and of `10⁻⁶` or `10⁻⁴` for pseudo-inverses.
///
/// The residual is computed from the solution. Because the solution is rounded, the residual of an
/// equation cannot fall much below `ε (‖A‖² + shift)/shift`. If the tolerance is smaller, the
/// result is [`SolveError::NotConverged`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConjugateGradient {
    stopping: Stopping,
}

stopping!(ConjugateGradient);

impl ConjugateGradient {
    /// `(AᵀA + shift I)⁻¹ b`; the residual is `‖b − (AᵀA + shift I) x‖/‖b‖`.
    ///
    /// # Errors
    /// [`SolveError`] unless `shift` is finite and above 0 and `b` has the shape of a signal and is
    /// finite, or if it does not converge.
    pub fn solve<const D: usize, A: Linear<D> + ?Sized>(
        self,
        a: &A,
        b: Tensor<D>,
        shift: f64,
    ) -> Result<Solution<D>, SolveError> {
        positive(shift)?;
        a.output_shape(b.dims())?;
        self.try_invert(|p| Ok(normal(a, p, shift)), Ok, b)
    }

    /// Like [`solve`](Self::solve), with a preconditioner: `p` maps a residual to an approximate
    /// solution, by a symmetric and positive definite matrix near `(AᵀA + shift I)⁻¹`.
    ///
    /// ```
    /// use burn::tensor::{DType, Device, Tensor};
    /// use tweedie_core::{HostNoise, Noise};
    /// use tweedie_inverse::operator::{Blur, CircularBlur, Linear, Padding, PointSpread};
    /// use tweedie_inverse::solver::ConjugateGradient;
    ///
    /// let kernel = PointSpread::gaussian(1.0)?;
    /// let blur = Blur::new(kernel.clone(), Padding::Reflect);
    /// // A circular blur differs at the edges only, and is inverted in closed form.
    /// let nearly = CircularBlur::new(kernel, [48, 48])?;
    /// let like = Tensor::<4>::zeros([1, 1, 48, 48], (&Device::flex(), DType::F64));
    /// let b = HostNoise::seeded(0).normal_like(&like);
    /// let p = |r| Ok(nearly.solve(r, 1e-3)?.x);
    /// let plain = ConjugateGradient::default().solve(&blur, b.clone(), 1e-3)?;
    /// let quick = ConjugateGradient::default().solve_preconditioned(&blur, p, b, 1e-3)?;
    /// assert!(3 * quick.iterations < 2 * plain.iterations);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`solve`](Self::solve), or the error of `p`.
    pub fn solve_preconditioned<const D: usize, A: Linear<D> + ?Sized>(
        self,
        a: &A,
        p: impl Fn(Tensor<D>) -> Result<Tensor<D>, SolveError>,
        b: Tensor<D>,
        shift: f64,
    ) -> Result<Solution<D>, SolveError> {
        positive(shift)?;
        a.output_shape(b.dims())?;
        self.try_invert(|x| Ok(normal(a, x, shift)), p, b)
    }

    /// `M⁻¹ b` for a symmetric and positive definite `M`; the residual is `‖b − M x‖/‖b‖`.
    ///
    /// # Errors
    /// [`SolveError`] for a `b` that is not finite, or if the iterations do not converge.
    pub fn invert<const D: usize>(
        self,
        m: impl Fn(Tensor<D>) -> Tensor<D>,
        b: Tensor<D>,
    ) -> Result<Solution<D>, SolveError> {
        self.try_invert(|x| Ok(m(x)), Ok, b)
    }

    /// Like [`invert`](Self::invert), for an `M` and a preconditioner that can fail.
    ///
    /// A sample stops at its current iterate if `pᵀ M p ≤ 0` for its search direction `p`.
    pub(crate) fn try_invert<const D: usize, E: From<SolveError>>(
        self,
        m: impl Fn(Tensor<D>) -> Result<Tensor<D>, E>,
        precondition: impl Fn(Tensor<D>) -> Result<Tensor<D>, E>,
        b: Tensor<D>,
    ) -> Result<Solution<D>, E> {
        let (b, dtype) = widened(b);
        let scale = norms(&b);
        let mut run = Iterations::new(self.stopping, &b, scale.clone(), [1e-5, 1e-10])?;
        let (mut x, mut r) = (b.zeros_like(), b.clone());
        let mut before = f64::INFINITY;
        loop {
            let mut z = precondition(r.clone())?;
            let mut p = z.clone();
            let mut rz = dot(&r, &z);
            while run.goes_on(norms(&r))? {
                let q = m(p.clone())?;
                let curvature = dot(&p, &q);
                run.rest(curvature.clone().lower_equal_elem(0.0));
                let step = run.only_active(rz.clone() / curvature);
                x = x + p.clone() * step.clone();
                r = r - q * step;
                z = precondition(r.clone())?;
                let next = dot(&r, &z);
                let turn = run.only_active(next.clone() / rz);
                rz = next;
                p = z + p * turn;
            }
            if self.stopping.early_stop {
                let residual = worst(&norms(&r), &scale);
                return Ok(run.solution(x.cast(dtype), residual));
            }
            r = b.clone() - m(x.clone())?;
            let residual = worst(&norms(&r), &scale);
            if run.has_arrived(residual, &mut before)? {
                return Ok(run.solution(x.cast(dtype), residual));
            }
        }
    }

    /// `A⁺ y`; the residual is the smaller of `‖r‖/‖y‖` and `‖Aᵀ r‖/(‖A‖ ‖r‖)`, with `r = y − A x`.
    ///
    /// The first is small if `x` reproduces the measurement, the second if `r` is orthogonal to the
    /// range of `A`.
    ///
    /// # Errors
    /// [`SolveError`] for a measurement of another shape or not finite, or if the iterations do not
    /// converge.
    pub fn pinv<const D: usize, A: Linear<D> + ?Sized>(
        self,
        a: &A,
        y: Tensor<D>,
    ) -> Result<Solution<D>, SolveError> {
        a.input_shape(y.dims())?;
        let (y, dtype) = widened(y);
        let scale = norms(&y);
        let mut run = Iterations::new(self.stopping, &y, scale.clone(), [1e-4, 1e-6])?;
        // A lower bound of ‖A‖ for every sample.
        let mut size = vec![0.0; scale.len()];
        let left = |r: &Tensor<D>, s: &Tensor<D>, size: &[f64]| -> Vec<f64> {
            left_over(&norms(r), &norms(s), size, &scale)
        };
        let mut r = y.clone();
        let mut s = a.adjoint(y.clone());
        let (mut x, mut p) = (s.zeros_like(), s.clone());
        let mut before = f64::INFINITY;
        loop {
            while run.goes_on(left(&r, &s, &size))? {
                let ss = squares(&s);
                let q = a.apply(p.clone());
                for (size, (q, p)) in size.iter_mut().zip(norms(&q).into_iter().zip(norms(&p))) {
                    *size = f64::max(*size, q / p.max(f64::MIN_POSITIVE));
                }
                let step = run.only_active(ss.clone() / squares(&q));
                x = x + p.clone() * step.clone();
                r = r - q * step;
                s = a.adjoint(r.clone());
                let turn = run.only_active(squares(&s) / ss);
                p = s.clone() + p * turn;
            }
            r = y.clone() - a.apply(x.clone());
            s = a.adjoint(r.clone());
            let residual = worst(&left(&r, &s, &size), &scale);
            if self.stopping.early_stop || run.has_arrived(residual, &mut before)? {
                return Ok(run.solution(x.cast(dtype), residual));
            }
            p = s.clone();
        }
    }
}

/// `(AᵀA + shift) x`.
fn normal<const D: usize, A: Linear<D> + ?Sized>(a: &A, x: Tensor<D>, shift: f64) -> Tensor<D> {
    a.adjoint(a.apply(x.clone())) + x * shift
}
