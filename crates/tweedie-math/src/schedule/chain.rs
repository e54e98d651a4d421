//! A discrete chain `β₀ … β_{N−1}`: `ᾱ_i = Π_{j≤i} (1 − β_j)`, `α = √ᾱ`, `σ = √(1 − ᾱ)`.
//!
//! Node `i` is at time `t = i/(N − 1)`. Between nodes the log-SNR is linear. Next to a node of pure
//! noise, whose log-SNR is `−∞`, the angle `atan2(σ, α)` is linear instead.
//!
//! # Reference
//! Ho et al. 2020, "Denoising Diffusion Probabilistic Models", eq. 4, arXiv:2006.11239.

use super::{Schedule, ScheduleError, parameter};
use crate::level_path::MOST_STEPS;
use crate::{Level, level::logistic};
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_PI_2;

/// A discrete DDPM chain, numbered as in the published checkpoints: node 0 is the cleanest.
///
/// ```
/// use tweedie_math::Chain;
///
/// let chain = Chain::linear(1000, 1e-4, 0.02)?;
/// assert!((chain.index(chain.node(417)) - 417.0).abs() < 1e-9);
/// # Ok::<(), tweedie_math::ScheduleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Chain {
    alpha_bar: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    alpha_bar: Vec<f64>,
}

impl TryFrom<Raw> for Chain {
    type Error = ScheduleError;

    fn try_from(raw: Raw) -> Result<Self, ScheduleError> {
        Self::from_alpha_bar(raw.alpha_bar)
    }
}

impl Chain {
    /// Returns the chain with β evenly spaced from `first` to `last`.
    ///
    /// DDPM uses 1000 steps and 1e-4 to 0.02.
    ///
    /// # Errors
    /// [`ScheduleError`] for zero steps, or a β outside `(0, 1]`.
    pub fn linear(steps: usize, first: f64, last: f64) -> Result<Self, ScheduleError> {
        few(steps)?;
        Self::from_betas(&linspace(first, last, steps))
    }

    /// Returns the chain with `√β` evenly spaced from `√first` to `√last`.
    ///
    /// Latent diffusion uses 0.00085 to 0.012.
    ///
    /// # Errors
    /// [`ScheduleError`] for zero steps, or a β outside `(0, 1]`.
    pub fn scaled_linear(steps: usize, first: f64, last: f64) -> Result<Self, ScheduleError> {
        few(steps)?;
        let roots = linspace(first.sqrt(), last.sqrt(), steps);
        Self::from_betas(&roots.iter().map(|root| root * root).collect::<Vec<_>>())
    }

    /// Returns the squared-cosine chain, with β capped at `max_beta`.
    ///
    /// `β_i = min(1 − c((i+1)/N)/c(i/N), max_beta)` with `c(t) = cos²((t + 0.008)/1.008 · π/2)`.
    ///
    /// # Errors
    /// [`ScheduleError`] for zero steps, or `max_beta` outside `(0, 1]`.
    ///
    /// # Reference
    /// Nichol & Dhariwal 2021, eq. 17 with the cap of section 3.2 (0.999), arXiv:2102.09672.
    pub fn squared_cosine(steps: usize, max_beta: f64) -> Result<Self, ScheduleError> {
        few(steps)?;
        let holds = max_beta > 0.0 && max_beta <= 1.0;
        let max_beta = parameter("max_beta", "within (0, 1]", max_beta, holds)?;
        let cosine = |i: usize| {
            let t = i as f64 / steps as f64;
            ((t + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2)
        };
        let betas: Vec<f64> = (0..steps)
            .map(|i| (1.0 - cosine(i + 1) / cosine(i)).min(max_beta))
            .collect();
        Self::from_betas(&betas)
    }

    /// Returns the chain whose β is a logistic curve between `first` and `last`.
    ///
    /// `β_i = first + S(u_i)(last − first)` with `u` evenly spaced on `[−6, 6]` and `S` the
    /// logistic function.
    ///
    /// # Errors
    /// [`ScheduleError`] for zero steps, or a β outside `(0, 1]`.
    pub fn sigmoid(steps: usize, first: f64, last: f64) -> Result<Self, ScheduleError> {
        few(steps)?;
        let betas: Vec<f64> = linspace(-6.0, 6.0, steps)
            .iter()
            .map(|&u| first + logistic(u) * (last - first))
            .collect();
        Self::from_betas(&betas)
    }

    /// Returns the chain with the given `β₀ … β_{N−1}`.
    ///
    /// # Errors
    /// [`ScheduleError::TooShort`] for an empty list, [`ScheduleError::Node`] for a β outside
    /// `(0, 1]` or for a β of 1 before the last node.
    pub fn from_betas(betas: &[f64]) -> Result<Self, ScheduleError> {
        let mut product = 1.0;
        let mut alpha_bar = Vec::with_capacity(betas.len());
        for (index, &beta) in betas.iter().enumerate() {
            if !(beta > 0.0 && beta <= 1.0) {
                return Err(ScheduleError::Node {
                    index,
                    name: "β",
                    expected: "within (0, 1]",
                    value: beta,
                });
            }
            product *= 1.0 - beta;
            alpha_bar.push(product);
        }
        Self::from_alpha_bar(alpha_bar)
    }

    /// Returns the chain with the given `ᾱ₀ > ᾱ₁ > … > ᾱ_{N−1} ≥ 0`.
    ///
    /// # Errors
    /// [`ScheduleError::TooShort`] for an empty list, [`ScheduleError::Node`] for an `ᾱ` that is
    /// outside `[0, 1)` or not below the previous one.
    pub fn from_alpha_bar(alpha_bar: Vec<f64>) -> Result<Self, ScheduleError> {
        if alpha_bar.is_empty() {
            return Err(ScheduleError::TooShort {
                expected: 1,
                count: 0,
            });
        }
        let mut last = 1.0;
        for (index, &value) in alpha_bar.iter().enumerate() {
            if !(value >= 0.0 && value < last) {
                return Err(ScheduleError::Node {
                    index,
                    name: "ᾱ",
                    expected: "at least 0 and below the one before it (below 1 for the first)",
                    value,
                });
            }
            last = value;
        }
        Ok(Self { alpha_bar })
    }

    /// Rescales the chain so that its last node is pure noise and its first is unchanged.
    ///
    /// `√ᾱ_i ← (√ᾱ_i − √ᾱ_{N−1}) √ᾱ₀/(√ᾱ₀ − √ᾱ_{N−1})`.
    ///
    /// # Errors
    /// [`ScheduleError::TooShort`] for a chain with only one node.
    ///
    /// # Reference
    /// Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
    /// algorithm 1, arXiv:2305.08891.
    pub fn with_zero_terminal_snr(&self) -> Result<Self, ScheduleError> {
        if self.len() < 2 {
            return Err(ScheduleError::TooShort {
                expected: 2,
                count: self.len(),
            });
        }
        let root = |i: usize| self.alpha_bar[i].sqrt();
        let (first, last) = (root(0), root(self.len() - 1));
        let scale = first / (first - last);
        Self::from_alpha_bar(
            (0..self.len())
                .map(|i| ((root(i) - last) * scale).powi(2))
                .collect(),
        )
    }

    /// The number of nodes `N`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.alpha_bar.len()
    }

    /// Always `false`: a chain has at least one node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alpha_bar.is_empty()
    }

    /// `ᾱ₀ … ᾱ_{N−1}`.
    #[must_use]
    pub fn alpha_bar(&self) -> &[f64] {
        &self.alpha_bar
    }

    /// `β₀ … β_{N−1}`, with `β_i = 1 − ᾱ_i/ᾱ_{i−1}`.
    #[must_use]
    pub fn betas(&self) -> Vec<f64> {
        (0..self.len()).map(|i| self.beta(i)).collect()
    }

    /// `β_i`; indices past the end give the last `β`.
    #[must_use]
    pub fn beta(&self, i: usize) -> f64 {
        let i = i.min(self.len() - 1);
        let before = i
            .checked_sub(1)
            .map_or(1.0, |before| self.alpha_bar[before]);
        1.0 - self.alpha_bar[i] / before
    }

    /// The level of node `i`; indices past the end give the last node.
    #[must_use]
    pub fn node(&self, i: usize) -> Level {
        let alpha_bar = self.alpha_bar[i.min(self.len() - 1)];
        Level::trusted(alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt())
    }

    /// Returns the index of a level, which is fractional between nodes.
    ///
    /// It is exactly `i` at node `i` and is clamped to `[0, N − 1]`.
    #[must_use]
    pub fn index(&self, level: Level) -> f64 {
        self.index_of_log_snr(level.log_snr())
    }

    /// Returns the level at a fractional index, clamped to the range of the nodes.
    ///
    /// # Panics
    /// If `index` is NaN.
    #[must_use]
    pub fn at(&self, index: f64) -> Level {
        assert!(!index.is_nan(), "an index that is not a number");
        let index = index.clamp(0.0, (self.len() - 1) as f64);
        // The product t (N − 1) may miss an integer index through rounding.
        if (index - index.round()).abs() < 1e-9 {
            return self.node(index.round() as usize);
        }
        let (low, weight) = (index.floor() as usize, index.fract());
        let (a, b) = (self.node(low), self.node(low + 1));
        if b.alpha() > 0.0 {
            Level::variance_preserving((1.0 - weight) * a.log_snr() + weight * b.log_snr())
        } else {
            Level::at_angle((1.0 - weight) * a.angle() + weight * FRAC_PI_2)
        }
    }

    fn index_of_log_snr(&self, log_snr: f64) -> f64 {
        // Find the first node that is at least as noisy.
        let is_cleaner = |&alpha_bar: &f64| (alpha_bar / (1.0 - alpha_bar)).ln() > log_snr;
        let high = self
            .alpha_bar
            .partition_point(is_cleaner)
            .min(self.len() - 1);
        let Some(low) = high.checked_sub(1) else {
            return 0.0;
        };
        let (a, b) = (self.node(low), self.node(high));
        let weight = if b.alpha() > 0.0 {
            (a.log_snr() - log_snr) / (a.log_snr() - b.log_snr())
        } else {
            let here = Level::variance_preserving(log_snr).angle();
            (here - a.angle()) / (FRAC_PI_2 - a.angle())
        };
        low as f64 + weight.clamp(0.0, 1.0)
    }
}

/// Limits the number of nodes to 10,000,000, so that the chain fits in memory.
fn few(steps: usize) -> Result<(), ScheduleError> {
    let expected = "at most 10,000,000";
    parameter(
        "the number of steps",
        expected,
        steps as f64,
        steps <= MOST_STEPS,
    )
    .map(|_| ())
}

fn linspace(first: f64, last: f64, count: usize) -> Vec<f64> {
    let gap = count.saturating_sub(1).max(1) as f64;
    (0..count)
        .map(|i| first + (last - first) * (i as f64 / gap))
        .collect()
}

impl Schedule for Chain {
    fn level(&self, t: f64) -> Level {
        self.at(t * (self.len() - 1) as f64)
    }

    fn time(&self, log_snr: f64) -> f64 {
        self.index_of_log_snr(log_snr) / (self.len() - 1).max(1) as f64
    }
}
