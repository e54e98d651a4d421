//! The learning rate as a function of the step: linear warm-up, then constant or a cosine to 0.
//!
//! # Reference
//! Loshchilov & Hutter 2017, "SGDR", eq. 5, arXiv:1608.03983.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The learning rate after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decay {
    /// The peak rate until the end.
    #[default]
    Constant,
    /// Half a cosine, from the peak to 0 at step `steps`, one after the last.
    Cosine,
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
        match self.decay {
            Decay::Constant => self.peak,
            Decay::Cosine => {
                let length = steps.saturating_sub(self.warmup).max(1) as f64;
                let progress = (step - self.warmup) as f64 / length;
                self.peak * 0.5 * (1.0 + (PI * progress.min(1.0)).cos())
            }
        }
    }
}
