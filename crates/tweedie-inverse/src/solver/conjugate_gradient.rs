//! Conjugate gradients for equations with linear operators.
//!
//! # Reference
//! Hestenes and Stiefel 1952, "Methods of conjugate gradients for solving linear systems"; the
//! least-squares form is theirs too (CGLS, Björck 1996, algorithm 7.4.1).

use super::{Solution, SolveError};
use crate::operator::Linear;
use crate::operator::error::require;
use crate::values::finite_values;
use burn::tensor::{Bool, DType, Tensor};
use tweedie_core::{column, per_sample_sum};

/// `Ok` for a shift that makes `AᵀA + shift I` invertible.
pub(crate) fn positive(shift: f64) -> Result<(), SolveError> {
    // Smaller shifts underflow in single precision.
    match shift >= f64::from(f32::MIN_POSITIVE) && shift.is_finite() {
        true => Ok(()),
        false => Err(SolveError::Shift { shift }),
    }
}

/// `Ok` if every value is finite.
pub(crate) fn finite<const D: usize>(x: &Tensor<D>) -> Result<(), SolveError> {
    finite_values("a right-hand side", x).map_err(|_| SolveError::NotFinite)
}

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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConjugateGradient {
    tolerance: Option<f64>,
    iterations: usize,
    early_stop: bool,
}

impl Default for ConjugateGradient {
    /// At most 1,000 iterations, to a relative residual of `10⁻¹⁰` (`f64`) or `10⁻⁵` (`f32`) for
    /// equations, and of `10⁻⁶` or `10⁻⁴` for pseudo-inverses.
    ///
    /// The residual is computed from the solution. Because the solution is rounded, the residual of
    /// an equation cannot fall much below `ε (‖A‖² + shift)/shift`. If the tolerance is smaller,
    /// the result is [`SolveError::NotConverged`].
    fn default() -> Self {
        Self {
            tolerance: None,
            iterations: 1000,
            early_stop: false,
        }
    }
}

impl ConjugateGradient {
    /// Sets the tolerance of the relative residual. `solve` and `pinv` return an error unless it is
    /// above 0 and below 1.
    #[must_use]
    pub fn with_tolerance(self, tolerance: f64) -> Self {
        Self {
            tolerance: Some(tolerance),
            ..self
        }
    }

    /// Sets the maximum number of iterations.
    #[must_use]
    pub fn with_iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// Sets whether to return the last iterate, with its residual, if iterations run out.
    ///
    /// By default this is an error. Early stopping regularises: for an ill-conditioned operator,
    /// such as a blur, the pseudo-inverse of a noisy measurement is mostly amplified noise, and
    /// iterations converge slowly to it.
    #[must_use]
    pub fn with_early_stop(self, early_stop: bool) -> Self {
        Self { early_stop, ..self }
    }

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
        self.invert(|p| Ok(a.adjoint(a.apply(p.clone())) + p * shift), b)
    }

    /// `M⁻¹ b` for a symmetric and positive definite `M`; the residual is `‖b − M x‖/‖b‖`.
    ///
    /// A sample stops at its current iterate if `pᵀ M p ≤ 0` for its search direction `p`.
    pub(crate) fn invert<const D: usize, E: From<SolveError>>(
        self,
        m: impl Fn(Tensor<D>) -> Result<Tensor<D>, E>,
        b: Tensor<D>,
    ) -> Result<Solution<D>, E> {
        let (b, dtype) = widened(b);
        let scale = norms(&b);
        let mut run = Iterations::new(self, &b, scale.clone(), [1e-5, 1e-10])?;
        let (mut x, mut r, mut p) = (b.zeros_like(), b.clone(), b.clone());
        let mut before = f64::INFINITY;
        loop {
            while run.goes_on(norms(&r))? {
                let rr = squares(&r);
                let q = m(p.clone())?;
                let curvature = dot(&p, &q);
                run.rest(curvature.clone().lower_equal_elem(0.0));
                let step = run.only_active(rr.clone() / curvature);
                x = x + p.clone() * step.clone();
                r = r - q * step;
                let turn = run.only_active(squares(&r) / rr);
                p = r.clone() + p * turn;
            }
            if self.early_stop {
                let residual = worst(&norms(&r), &scale);
                return Ok(run.solution(x.cast(dtype), residual));
            }
            r = b.clone() - m(x.clone())?;
            let residual = worst(&norms(&r), &scale);
            if run.has_arrived(residual, &mut before)? {
                return Ok(run.solution(x.cast(dtype), residual));
            }
            p = r.clone();
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
        let mut run = Iterations::new(self, &y, scale.clone(), [1e-4, 1e-6])?;
        // A lower bound of ‖A‖ for every sample.
        let mut size = vec![0.0; scale.len()];
        let left = |r: &Tensor<D>, s: &Tensor<D>, size: &[f64]| -> Vec<f64> {
            let (r, s) = (norms(r), norms(s));
            let each = r.iter().zip(&s).zip(size.iter().zip(&scale));
            let nearer = each.map(|((r, s), (size, scale))| {
                let gradient = s / (size * r).max(f64::MIN_POSITIVE) * scale;
                match *size {
                    // Aᵀ r = 0: the residual is orthogonal to the range of A.
                    _ if *s == 0.0 => 0.0,
                    size if size > 0.0 => r.min(gradient),
                    _ => *r,
                }
            });
            nearer.collect()
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
            if self.early_stop || run.has_arrived(residual, &mut before)? {
                return Ok(run.solution(x.cast(dtype), residual));
            }
            p = s.clone();
        }
    }
}

/// The state of a run: which samples have not converged.
struct Iterations<const D: usize> {
    settings: ConjugateGradient,
    tolerance: f64,
    scale: Vec<f64>,
    active: Vec<f64>,
    iterations: usize,
    like: Tensor<D>,
}

impl<const D: usize> Iterations<D> {
    /// `single` and `double` are the default tolerances for `f32` and `f64`.
    fn new(
        settings: ConjugateGradient,
        like: &Tensor<D>,
        scale: Vec<f64>,
        [single, double]: [f64; 2],
    ) -> Result<Self, SolveError> {
        if scale.iter().any(|scale| !scale.is_finite()) {
            return Err(SolveError::NotFinite);
        }
        if let Some(value) = settings
            .tolerance
            .filter(|asked| !(*asked > 0.0 && *asked < 1.0))
        {
            require("tolerance", value, "above 0 and below 1", false)?;
        }
        let usual = match like.dtype() {
            DType::F64 => double,
            _ => single,
        };
        Ok(Self {
            settings,
            tolerance: settings.tolerance.unwrap_or(usual),
            active: vec![1.0; scale.len()],
            scale,
            iterations: 0,
            like: like.clone(),
        })
    }

    /// Freezes converged samples. Counts an iteration and returns `true` if any sample is left.
    fn goes_on(&mut self, residuals: Vec<f64>) -> Result<bool, SolveError> {
        for (active, (residual, scale)) in self
            .active
            .iter_mut()
            .zip(residuals.iter().zip(&self.scale))
        {
            // A converged sample stays frozen. A NaN residual never converges.
            if *residual <= self.tolerance * scale {
                *active = 0.0;
            }
        }
        let wanted = self.active.contains(&1.0);
        let residual = worst(&residuals, &self.scale);
        if wanted && self.settings.early_stop && self.iterations == self.settings.iterations {
            return Ok(false);
        }
        if wanted && (self.iterations == self.settings.iterations || !residual.is_finite()) {
            return Err(SolveError::NotConverged {
                iterations: self.iterations,
                residual,
                tolerance: self.tolerance,
            });
        }
        self.iterations += usize::from(wanted);
        Ok(wanted)
    }

    /// Whether the true residual, recomputed from the iterate, is small enough.
    ///
    /// The residual that the iterations update drifts away from it by rounding. If the true
    /// residual is too large, the iterations restart from the iterate, unless the last restart has
    /// not halved it.
    fn has_arrived(&mut self, residual: f64, before: &mut f64) -> Result<bool, SolveError> {
        if residual <= self.tolerance {
            return Ok(true);
        }
        // `>=` is false for NaN, so NaN is checked explicitly.
        if residual.is_nan() || residual >= 0.5 * *before {
            return Err(SolveError::NotConverged {
                iterations: self.iterations,
                residual,
                tolerance: self.tolerance,
            });
        }
        *before = residual;
        self.active.fill(1.0);
        Ok(false)
    }

    /// Freezes the samples where `stopped` is true.
    fn rest(&mut self, stopped: Tensor<D, Bool>) {
        let stopped = stopped.into_data();
        for (active, stopped) in self.active.iter_mut().zip(stopped.iter::<bool>()) {
            if stopped {
                *active = 0.0;
            }
        }
    }

    /// Sets the factors of frozen samples to 0.
    fn only_active(&self, factors: Tensor<D>) -> Tensor<D> {
        let resting = column(&self.active, &self.like).equal_elem(0.0);
        factors.mask_fill(resting, 0.0)
    }

    fn solution(self, x: Tensor<D>, residual: f64) -> Solution<D> {
        Solution {
            x,
            iterations: self.iterations,
            residual: Some(residual),
        }
    }
}

/// Casts to at least single precision, in which sums over an image are finite. Also returns the
/// original dtype.
fn widened<const D: usize>(x: Tensor<D>) -> (Tensor<D>, DType) {
    let dtype = x.dtype();
    match dtype {
        DType::F64 | DType::F32 => (x, dtype),
        _ => (x.cast(DType::F32), dtype),
    }
}

/// `⟨u, v⟩` of every sample, `[batch, 1, …]`.
fn dot<const D: usize>(u: &Tensor<D>, v: &Tensor<D>) -> Tensor<D> {
    let mut shape = [1; D];
    shape[0] = u.dims()[0];
    per_sample_sum(u.clone() * v.clone()).reshape(shape)
}

fn squares<const D: usize>(u: &Tensor<D>) -> Tensor<D> {
    dot(u, u)
}

/// `‖u‖` of every sample.
pub(crate) fn norms<const D: usize>(u: &Tensor<D>) -> Vec<f64> {
    let norms = per_sample_sum(u.clone().square()).sqrt();
    norms.into_data().iter::<f64>().collect()
}

/// The largest of `residuals/scale`; a scale of 0 is replaced by `f64::MIN_POSITIVE`.
fn worst(residuals: &[f64], scale: &[f64]) -> f64 {
    let each = residuals.iter().zip(scale);
    let each = each.map(|(residual, scale)| residual / scale.max(f64::MIN_POSITIVE));
    // Keep NaN.
    each.fold(0.0, |worst: f64, each| {
        match worst.is_nan() || each <= worst {
            true => worst,
            false => each,
        }
    })
}
