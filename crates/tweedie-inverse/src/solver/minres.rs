//! MINRES: equations with a symmetric matrix, definite or not.
//!
//! The iterate minimises `‖b − M x‖` over the Krylov space, by Lanczos' three-term recurrence and
//! Givens rotations.
//!
//! # Reference
//! Paige & Saunders 1975, "Solution of Sparse Indefinite Systems of Linear Equations".

use super::iterations::{
    Iterations, Stopping, dot, host, norms, ratio, squares, stopping, widened, worst,
};
use super::{Solution, SolveError};
use burn::tensor::Tensor;

/// MINRES for every sample of a batch.
///
/// By default at most 1,000 iterations, to a relative residual of `10⁻¹⁰` (`f64`) or `10⁻⁵`
/// (`f32`).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::solver::Minres;
///
/// // An indefinite diagonal matrix.
/// let d = Tensor::<2>::from_floats([[2.0, -1.0, 0.5]], &Device::flex());
/// let b = Tensor::<2>::from_floats([[1.0, 1.0, 1.0]], &Device::flex());
/// let x = Minres::default().invert(|x| x * d.clone(), b)?.x;
/// let x = x.into_data().try_into_vec::<f32>()?;
/// assert!((x[0] - 0.5).abs() < 1e-4 && (x[1] + 1.0).abs() < 1e-4 && (x[2] - 2.0).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Minres {
    stopping: Stopping,
}

stopping!(Minres);

impl Minres {
    /// `M⁻¹ b` for a symmetric `M`; the residual is `‖b − M x‖/‖b‖`.
    ///
    /// # Errors
    /// [`SolveError`] for a `b` that is not finite, or if the iterations do not converge.
    pub fn invert<const D: usize>(
        self,
        m: impl Fn(Tensor<D>) -> Tensor<D>,
        b: Tensor<D>,
    ) -> Result<Solution<D>, SolveError> {
        let (b, dtype) = widened(b);
        let scale = norms(&b);
        let mut run = Iterations::new(self.stopping, &b, scale.clone(), [1e-5, 1e-10])?;
        let mut x = b.zeros_like();
        let mut r = b.clone();
        let mut before = f64::INFINITY;
        loop {
            let mut beta = squares(&r).sqrt();
            let mut v = [
                r.zeros_like(),
                ratio(r.clone(), beta.clone().expand(r.dims())),
            ];
            let mut w = [r.zeros_like(), r.zeros_like()];
            let mut left = beta.clone();
            let mut cosines = [beta.ones_like(), beta.ones_like()];
            let mut sines = [beta.zeros_like(), beta.zeros_like()];
            while run.goes_on(host(&left.clone().abs()))? {
                let [v0, v1] = v;
                let p = m(v1.clone());
                let alpha = dot(&v1, &p);
                let next = p - v1.clone() * alpha.clone() - v0 * beta.clone();
                let length = squares(&next).sqrt();
                let ([c0, c1], [s0, s1]) = (cosines, sines);
                let delta = c1.clone() * alpha.clone() - c0.clone() * s1.clone() * beta.clone();
                let rho = (delta.clone().square() + length.clone().square()).sqrt();
                let upper = s1.clone() * alpha + c0 * c1.clone() * beta.clone();
                let top = s0 * beta;
                let (c, s) = (
                    ratio(delta, rho.clone()),
                    ratio(length.clone(), rho.clone()),
                );
                let [w0, w1] = w;
                let along = v1.clone() - w0 * top - w1.clone() * upper;
                let along = ratio(along, rho.expand(b.dims()));
                x = x + along.clone() * run.only_active(c.clone() * left.clone());
                left = left * s.clone() * -1.0;
                v = [v1, ratio(next, length.clone().expand(b.dims()))];
                (w, cosines, sines) = ([w1, along], [c1, c], [s1, s]);
                beta = length;
            }
            r = b.clone() - m(x.clone());
            let residual = worst(&norms(&r), &scale);
            if self.stopping.early_stop || run.has_arrived(residual, &mut before)? {
                return Ok(run.solution(x.cast(dtype), residual));
            }
        }
    }
}
