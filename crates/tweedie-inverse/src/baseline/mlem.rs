//! Maximum likelihood by expectation maximisation, for counts: emission tomography, deblurring of
//! photons.
//!
//! `x ← x ∘ Aᵀ(y/(A x + b)) / Aᵀ1`. Every iteration raises the Poisson likelihood, and `x` stays at
//! least 0. With ordered subsets, one iteration makes such a step with each part of the measurement
//! in turn, and is about as good as that many.
//!
//! # Reference
//! Shepp & Vardi 1982, "Maximum Likelihood Reconstruction for Emission Tomography"; Richardson
//! 1972, Lucy 1974 (deblurring); Hudson & Larkin 1994, "Accelerated image reconstruction using
//! ordered subsets of projection data" (OSEM).

use crate::operator::Linear;
use crate::operator::error::{fits, require};
use crate::solver::SolveError;
use crate::values::{finite_values, widened};
use burn::tensor::Tensor;

/// MLEM, and OSEM with several parts of a measurement, for operators without negative entries.
///
/// Stop early: the maximum of the likelihood is mostly noise.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::baseline::Mlem;
/// use tweedie_inverse::operator::{Operator, Tomography};
///
/// let scan = Tomography::half_turn([16, 16], 24)?;
/// let x = Tensor::<4>::ones([1, 1, 16, 16], &Device::flex()) * 3.0;
/// let restored = Mlem::new(100).restore(&scan, scan.apply(x.clone()))?;
/// assert!((restored - x).abs().max().into_scalar::<f32>() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mlem {
    iterations: usize,
    background: f64,
}

/// Values below this share of the largest are rounding errors of 0.
const LEAST: f64 = 1e-6;

impl Mlem {
    /// Creates the method with a number of iterations over all parts, without background.
    #[must_use]
    pub fn new(iterations: usize) -> Self {
        Self {
            iterations,
            background: 0.0,
        }
    }

    /// Sets the mean count `b` of the background, such as scattered radiation.
    #[must_use]
    pub fn with_background(self, background: f64) -> Self {
        Self { background, ..self }
    }

    /// Returns the signal after the iterations, from a flat start.
    ///
    /// # Errors
    /// [`SolveError`] for counts that are negative, not finite or do not fit the operator, or a
    /// background that is not finite and at least 0.
    pub fn restore<const D: usize>(
        &self,
        operator: &(impl Linear<D> + ?Sized),
        y: Tensor<D>,
    ) -> Result<Tensor<D>, SolveError> {
        self.restore_parts(&[(operator, y)])
    }

    /// OSEM: like [`restore`](Self::restore), with a step for each part of the measurement. Parts
    /// that see the signal alike, such as every eighth angle, converge best.
    ///
    /// # Errors
    /// As [`restore`](Self::restore), and without parts.
    pub fn restore_parts<const D: usize, A: Linear<D> + ?Sized>(
        &self,
        parts: &[(&A, Tensor<D>)],
    ) -> Result<Tensor<D>, SolveError> {
        let count = parts.len();
        require("number of parts", count as f64, "at least 1", count > 0)?;
        let (background, expected) = (self.background, "finite and at least 0");
        let valid = background >= 0.0 && background.is_finite();
        require("background", background, expected, valid)?;
        let shape = parts[0].0.input_shape(parts[0].1.dims())?;
        for (operator, y) in parts {
            let found = operator.input_shape(y.dims())?;
            fits("a part of the measurement", &found, found == shape, || {
                format!("of a signal {shape:?}, as the first")
            })?;
            finite_values("a measurement", y)?;
            let least = y.clone().min().into_scalar::<f64>();
            require("count", least, "at least 0", least >= 0.0)?;
        }
        // Where a part does not see the signal, its step leaves it as it is.
        let seen = parts.iter().map(|(operator, y)| {
            let y = widened(y.clone());
            let all = operator.adjoint(y.ones_like());
            let floor = all.clone().max().into_scalar::<f64>() * LEAST;
            let unseen = all.clone().lower_equal_elem(floor);
            (y, all.mask_fill(unseen.clone(), 1.0), unseen)
        });
        let seen: Vec<_> = seen.collect();
        let mut x = seen[0].1.ones_like();
        for _ in 0..self.iterations {
            for ((operator, _), (y, all, unseen)) in parts.iter().zip(&seen) {
                let mean = operator.apply(x.clone()) + background;
                let floor = mean.clone().max().into_scalar::<f64>() * LEAST;
                let mean = mean.clamp_min(floor.max(f64::from(f32::MIN_POSITIVE)));
                let ratio = operator.adjoint(y.clone() / mean).clamp_min(0.0) / all.clone();
                x = x * ratio.mask_fill(unseen.clone(), 1.0);
            }
        }
        Ok(x)
    }
}
