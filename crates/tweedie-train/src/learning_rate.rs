//! The learning rate as a function of the step: linear warm-up, then one of several decays.
//!
//! # Reference
//! Loshchilov & Hutter 2017, "SGDR", eq. 5, arXiv:1608.03983 (cosine, restarts); Vaswani et al.
//! 2017, eq. 3, arXiv:1706.03762 (inverse root).

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use tweedie_math::ParameterError;

/// The learning rate after the warm-up, as a function of the progress `p ∈ [0, 1]` from there to
/// the end of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decay {
    /// The peak rate until the end.
    #[default]
    Constant,
    /// `peak · (1 − p)`.
    Linear,
    /// Half a cosine, `peak · (1 + cos πp)/2`: 0 at step `steps`, one after the last.
    Cosine,
    /// `end + (peak − end) (1 − p)^power`.
    Polynomial {
        /// The exponent, above 0.
        power: f64,
        /// The rate at the end, at least 0 and at most the peak.
        end: f64,
    },
    /// `peak · √(w/k)` at step `k`, counted from 1, after `w` steps of warm-up (at least 1).
    InverseRoot,
    /// `cycles` half cosines, each from the peak to 0.
    Restarts {
        /// The number of cycles, at least 1.
        cycles: usize,
    },
}

/// The learning rate of each step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LearningRate {
    /// The largest learning rate.
    pub peak: f64,
    /// The number of steps of linear warm-up.
    pub warmup: usize,
    /// The learning rate after the warm-up.
    pub decay: Decay,
}

impl LearningRate {
    /// A constant rate, without warm-up.
    #[must_use]
    pub fn new(peak: f64) -> Self {
        Self {
            peak,
            warmup: 0,
            decay: Decay::Constant,
        }
    }

    /// Sets the largest rate.
    #[must_use]
    pub fn with_peak(self, peak: f64) -> Self {
        Self { peak, ..self }
    }

    /// Sets the number of steps of linear warm-up.
    #[must_use]
    pub fn with_warmup(self, warmup: usize) -> Self {
        Self { warmup, ..self }
    }

    /// Sets how the rate decays after the warm-up.
    #[must_use]
    pub fn with_decay(self, decay: Decay) -> Self {
        Self { decay, ..self }
    }

    /// The rate of step `step`, counted from 0, of a run of `steps`.
    ///
    /// The warm-up rises by `peak/warmup` a step and reaches the peak at its last one.
    ///
    /// ```
    /// use tweedie_train::{Decay, LearningRate};
    ///
    /// let rate = LearningRate::new(1e-3).with_warmup(10).with_decay(Decay::Cosine);
    /// assert!((rate.at(4, 110) - 0.5e-3).abs() < 1e-12);
    /// assert!((rate.at(60, 110) - 0.5e-3).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn at(&self, step: usize, steps: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let length = steps.saturating_sub(self.warmup).max(1) as f64;
        let progress = ((step - self.warmup) as f64 / length).min(1.0);
        let half_cosine = |progress: f64| self.peak * 0.5 * (1.0 + (PI * progress).cos());
        match self.decay {
            Decay::Constant => self.peak,
            Decay::Linear => self.peak * (1.0 - progress),
            Decay::Cosine => half_cosine(progress),
            Decay::Polynomial { power, end } => {
                end + (self.peak - end) * (1.0 - progress).powf(power)
            }
            Decay::InverseRoot => {
                self.peak * (self.warmup.max(1) as f64 / (step + 1) as f64).sqrt()
            }
            Decay::Restarts { .. } if progress >= 1.0 => 0.0,
            Decay::Restarts { cycles } => {
                // In integers, so that a cycle begins at the peak and not an ulp before it.
                let length = steps.saturating_sub(self.warmup).max(1) as u128;
                let place = (step - self.warmup) as u128 * cycles as u128 % length;
                half_cosine(place as f64 / length as f64)
            }
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ParameterError`] for the first that is outside its range.
    pub fn check(&self) -> Result<(), ParameterError> {
        ParameterError::require_positive("the learning rate", self.peak)?;
        match self.decay {
            Decay::Polynomial { power, end } => {
                ParameterError::require_positive("the power of the decay", power)?;
                let fits = (0.0..=self.peak).contains(&end);
                let expected = "at least 0 and at most the peak";
                ParameterError::require(fits, "the last learning rate", expected, end).map(drop)
            }
            Decay::Restarts { cycles } => {
                let (name, expected) = ("the number of cycles", "at least 1");
                ParameterError::require(cycles > 0, name, expected, cycles as f64).map(drop)
            }
            _ => Ok(()),
        }
    }
}
