//! What all iterations share: when a sample is done, and sums of each sample.

use super::{Solution, SolveError};
use crate::operator::error::require;
use crate::values::finite_values;
use burn::tensor::{Bool, DType, Tensor};
use tweedie_core::{column, per_sample_sum};

/// When iterations stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stopping {
    pub(crate) tolerance: Option<f64>,
    pub(crate) iterations: usize,
    pub(crate) early_stop: bool,
}

impl Default for Stopping {
    fn default() -> Self {
        Self {
            tolerance: None,
            iterations: 1000,
            early_stop: false,
        }
    }
}

/// The settings of a solver with a field `stopping`.
macro_rules! stopping {
    ($solver:ident) => {
        impl $solver {
            /// Sets the tolerance of the relative residual. A solve returns an error unless it is
            /// above 0 and below 1.
            #[must_use]
            pub fn with_tolerance(mut self, tolerance: f64) -> Self {
                self.stopping.tolerance = Some(tolerance);
                self
            }

            /// Sets the maximum number of iterations.
            #[must_use]
            pub fn with_iterations(mut self, iterations: usize) -> Self {
                self.stopping.iterations = iterations;
                self
            }

            /// Sets whether to return the last iterate, with its residual, if iterations run out.
            ///
            /// By default this is an error. Early stopping regularises: for an ill-conditioned
            /// operator, such as a blur, the pseudo-inverse of a noisy measurement is mostly
            /// amplified noise, and iterations converge slowly to it.
            #[must_use]
            pub fn with_early_stop(mut self, early_stop: bool) -> Self {
                self.stopping.early_stop = early_stop;
                self
            }
        }
    };
}
pub(crate) use stopping;

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

/// The state of a run: which samples have not converged.
pub(crate) struct Iterations<const D: usize> {
    settings: Stopping,
    tolerance: f64,
    scale: Vec<f64>,
    active: Vec<f64>,
    iterations: usize,
    like: Tensor<D>,
}

impl<const D: usize> Iterations<D> {
    /// `single` and `double` are the default tolerances for `f32` and `f64`.
    pub(crate) fn new(
        settings: Stopping,
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
    pub(crate) fn goes_on(&mut self, residuals: Vec<f64>) -> Result<bool, SolveError> {
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
        let ends = self.iterations == self.settings.iterations;
        if wanted && self.settings.early_stop && ends && residual.is_finite() {
            return Ok(false);
        }
        if wanted && (self.iterations == self.settings.iterations || !residual.is_finite()) {
            return Err(self.failure(residual));
        }
        self.iterations += usize::from(wanted);
        Ok(wanted)
    }

    /// Whether the true residual, recomputed from the iterate, is small enough.
    ///
    /// The residual that the iterations update drifts away from it by rounding. If the true
    /// residual is too large, the iterations restart from the iterate, unless the last restart has
    /// not halved it.
    pub(crate) fn has_arrived(
        &mut self,
        residual: f64,
        before: &mut f64,
    ) -> Result<bool, SolveError> {
        if residual <= self.tolerance {
            return Ok(true);
        }
        // `>=` is false for NaN, so NaN is checked explicitly.
        if residual.is_nan() || residual >= 0.5 * *before {
            return Err(self.failure(residual));
        }
        *before = residual;
        self.active.fill(1.0);
        Ok(false)
    }

    /// Freezes the samples where `stopped` is true.
    pub(crate) fn rest(&mut self, stopped: Tensor<D, Bool>) {
        let stopped = stopped.into_data();
        for (active, stopped) in self.active.iter_mut().zip(stopped.iter::<bool>()) {
            if stopped {
                *active = 0.0;
            }
        }
    }

    /// Sets the factors of frozen samples to 0.
    pub(crate) fn only_active(&self, factors: Tensor<D>) -> Tensor<D> {
        let resting = column(&self.active, &self.like).equal_elem(0.0);
        factors.mask_fill(resting, 0.0)
    }

    /// The tolerance of the relative residual.
    pub(crate) fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// The error of iterations that end at `residual`.
    pub(crate) fn failure(&self, residual: f64) -> SolveError {
        SolveError::NotConverged {
            iterations: self.iterations,
            residual,
            tolerance: self.tolerance,
        }
    }

    pub(crate) fn solution(self, x: Tensor<D>, residual: f64) -> Solution<D> {
        Solution {
            x,
            iterations: self.iterations,
            residual: Some(residual),
        }
    }
}

/// Casts to at least single precision, in which sums over an image are finite. Also returns the
/// original dtype.
pub(crate) fn widened<const D: usize>(x: Tensor<D>) -> (Tensor<D>, DType) {
    let dtype = x.dtype();
    match dtype {
        DType::F64 | DType::F32 => (x, dtype),
        _ => (x.cast(DType::F32), dtype),
    }
}

/// `⟨u, v⟩` of every sample, `[batch, 1, …]`.
pub(crate) fn dot<const D: usize>(u: &Tensor<D>, v: &Tensor<D>) -> Tensor<D> {
    let mut shape = [1; D];
    shape[0] = u.dims()[0];
    per_sample_sum(u.clone() * v.clone()).reshape(shape)
}

pub(crate) fn squares<const D: usize>(u: &Tensor<D>) -> Tensor<D> {
    dot(u, u)
}

/// `‖u‖` of every sample.
pub(crate) fn norms<const D: usize>(u: &Tensor<D>) -> Vec<f64> {
    let norms = per_sample_sum(u.clone().square()).sqrt();
    norms.into_data().iter::<f64>().collect()
}

/// The largest of `residuals/scale`; a scale of 0 is replaced by `f64::MIN_POSITIVE`.
pub(crate) fn worst(residuals: &[f64], scale: &[f64]) -> f64 {
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

/// `a/b` of each sample, 0 where `b` is 0.
pub(crate) fn ratio<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let none = b.clone().equal_elem(0.0);
    (a / b.mask_fill(none.clone(), 1.0)).mask_fill(none, 0.0)
}

/// The values of a column `[batch, 1, …]`.
pub(crate) fn host<const D: usize>(column: &Tensor<D>) -> Vec<f64> {
    column.to_data().iter::<f64>().collect()
}

/// What is left of least squares: the smaller of `‖r‖` and `‖Aᵀ r‖/(‖A‖ ‖r‖) ‖y‖` of each sample,
/// with `size` a lower bound of `‖A‖` and `scale` = `‖y‖`.
pub(crate) fn left_over(r: &[f64], s: &[f64], size: &[f64], scale: &[f64]) -> Vec<f64> {
    let each = r.iter().zip(s).zip(size.iter().zip(scale));
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
}
