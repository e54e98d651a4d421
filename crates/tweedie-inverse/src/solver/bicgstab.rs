//! BiCGStab: equations with square matrices that need not be symmetric.
//!
//! The method breaks down for skew-symmetric matrices and near them, where its steps are 0.
//!
//! # Reference
//! van der Vorst 1992, "Bi-CGSTAB: A Fast and Smoothly Converging Variant of Bi-CG for the Solution
//! of Nonsymmetric Linear Systems".

use super::iterations::{
    Iterations, Stopping, dot, norms, ratio, squares, stopping, widened, worst,
};
use super::{Solution, SolveError};
use burn::tensor::Tensor;

/// BiCGStab for every sample of a batch, without the transpose of the matrix.
///
/// By default at most 1,000 iterations, each with two products, to a relative residual of `10⁻¹⁰`
/// (`f64`) or `10⁻⁵` (`f32`).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::solver::BiCgStab;
///
/// // A rotation and a little more, far from symmetric.
/// let m = Tensor::<2>::from_floats([[1.0, 2.0], [-2.0, 1.0]], &Device::flex());
/// let b = Tensor::<2>::from_floats([[5.0, 0.0]], &Device::flex());
/// let x = BiCgStab::default().invert(|x| x.matmul(m.clone().transpose()), b)?.x;
/// let x = x.into_data().try_into_vec::<f32>()?;
/// assert!((x[0] - 1.0).abs() < 1e-4 && (x[1] - 2.0).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BiCgStab {
    stopping: Stopping,
}

stopping!(BiCgStab);

impl BiCgStab {
    /// `M⁻¹ b`; the residual is `‖b − M x‖/‖b‖`.
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
        let (mut x, mut r) = (b.zeros_like(), b.clone());
        let mut before = f64::INFINITY;
        loop {
            let shadow = r.clone();
            let mut p = r.clone();
            let mut rho = squares(&r);
            while run.goes_on(norms(&r))? {
                let q = m(p.clone());
                let alpha = run.only_active(ratio(rho.clone(), dot(&shadow, &q)));
                let s = r.clone() - q.clone() * alpha.clone();
                let t = m(s.clone());
                let omega = run.only_active(ratio(dot(&t, &s), squares(&t)));
                x = x + p.clone() * alpha.clone() + s.clone() * omega.clone();
                r = s - t * omega.clone();
                let next = dot(&shadow, &r);
                let turn = ratio(next.clone() * alpha.clone(), rho * omega.clone());
                p = r.clone() + (p - q * omega.clone()) * run.only_active(turn);
                // The shadow residual is orthogonal, or no step is made: begin again from here.
                let still = alpha.clone().abs() + omega.clone().abs();
                run.rest((next.clone() * still).equal_elem(0.0));
                rho = next;
            }
            if !self.stopping.early_stop {
                r = b.clone() - m(x.clone());
            }
            let residual = worst(&norms(&r), &scale);
            if self.stopping.early_stop || run.has_arrived(residual, &mut before)? {
                return Ok(run.solution(x.cast(dtype), residual));
            }
        }
    }
}
