//! The weights of particles, and systematic resampling.

use burn::tensor::{Int, Tensor, TensorData};
use statrs::function::erf::erf;
use tweedie_core::{InputError, Noise};
use tweedie_math::ParameterError;
use tweedie_samplers::StepError;

/// How many particles each measurement has, and when they are resampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swarm {
    /// The number of particles for each measurement.
    pub(super) count: usize,
    /// The effective fraction below which they are resampled.
    pub(super) threshold: f64,
}

impl Swarm {
    /// 64 particles, resampled where fewer than half of them are effective.
    pub(super) const USUAL: Self = Self {
        count: 64,
        threshold: 0.5,
    };

    pub(super) fn with_count(self, count: usize) -> Result<Self, ParameterError> {
        let count = ParameterError::require_count("the number of particles", count)?;
        Ok(Self { count, ..self })
    }

    pub(super) fn with_threshold(self, threshold: f64) -> Result<Self, ParameterError> {
        let threshold = ParameterError::require_fraction("the threshold", threshold)?;
        Ok(Self { threshold, ..self })
    }

    /// Checks that a batch holds whole swarms.
    pub(super) fn accepts(self, batch: usize) -> Result<(), InputError> {
        let (whole, expected) = (batch.is_multiple_of(self.count), "a divisor of the batch");
        let (name, value) = ("the number of particles", self.count as f64);
        Ok(ParameterError::require(whole, name, expected, value).map(|_| ())?)
    }
}

/// The weights of a batch of particles, ordered by measurement.
#[derive(Clone, Debug, Default)]
pub struct Particles {
    log_weights: Vec<f64>,
    weights: Vec<f64>,
    effective: Vec<f64>,
}

impl Particles {
    /// Returns the weight of each particle. The weights of one measurement sum to 1.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Returns the effective number of particles of each measurement, `1/Σ w²`. At clean data, this
    /// is the number before the final resampling.
    #[must_use]
    pub fn effective(&self) -> &[f64] {
        &self.effective
    }

    /// Whether no weight was computed yet.
    pub(super) fn is_new(&self) -> bool {
        self.log_weights.is_empty()
    }

    /// Multiplies the weights by `e^log` and normalises them. Before the first call they are equal.
    pub(super) fn weigh(&mut self, log: &[f64], swarm: Swarm) -> Result<(), StepError> {
        self.log_weights.resize(log.len(), 0.0);
        for (weight, log) in self.log_weights.iter_mut().zip(log) {
            *weight += log;
        }
        (self.weights, self.effective) = (Vec::new(), Vec::new());
        for (measurement, logs) in self.log_weights.chunks(swarm.count).enumerate() {
            let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if !largest.is_finite() || logs.iter().any(|log| log.is_nan()) {
                return Err(StepError::Weights { measurement });
            }
            let raw: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
            let total: f64 = raw.iter().sum();
            let squares: f64 = raw.iter().map(|w| w * w).sum();
            self.effective.push(total * total / squares);
            self.weights.extend(raw.iter().map(|w| w / total));
        }
        Ok(())
    }

    /// Resamples the particles of each measurement below the threshold, or of every one if `all`.
    /// Returns the indices of the chosen particles.
    pub(super) fn resample<const D: usize>(
        &mut self,
        swarm: Swarm,
        like: &Tensor<D>,
        noise: &mut dyn Noise<D>,
        all: bool,
    ) -> Vec<usize> {
        let (count, batch) = (swarm.count, self.log_weights.len());
        let mut one_each = [1; D];
        one_each[0] = batch;
        let normal = noise.normal_like(&Tensor::<D>::zeros(one_each, &like.device()));
        let normal = host(normal.reshape([batch]));
        // Φ(z) is uniform.
        let uniform = |group: usize| 0.5 * (1.0 + erf(normal[group * count] / 2_f64.sqrt()));
        let mut chosen: Vec<usize> = (0..batch).collect();
        for (group, effective) in self.effective.iter().enumerate() {
            if !(all || *effective < swarm.threshold * count as f64) {
                continue;
            }
            let slots = group * count..(group + 1) * count;
            let picked = systematic(&self.weights[slots.clone()], uniform(group));
            for (slot, pick) in slots.clone().zip(picked) {
                chosen[slot] = group * count + pick;
            }
            self.log_weights[slots.clone()].fill(0.0);
            self.weights[slots].fill(1.0 / count as f64);
        }
        chosen
    }
}

/// The rows of `x` at `chosen`.
pub(super) fn select<const D: usize>(x: Tensor<D>, chosen: &[usize]) -> Tensor<D> {
    let rows: Vec<i32> = chosen.iter().map(|&i| i as i32).collect();
    let rows = TensorData::new(rows, [chosen.len()]);
    let rows: Tensor<1, Int> = Tensor::from_data(rows, &x.device());
    x.select(0, rows)
}

/// Systematic resampling: as many indices as weights, each in proportion to its weight.
fn systematic(weights: &[f64], uniform: f64) -> Vec<usize> {
    let count = weights.len();
    let (mut sum, mut picked) = (0.0, Vec::with_capacity(count));
    for (i, weight) in weights.iter().enumerate() {
        sum += weight;
        while picked.len() < count && (picked.len() as f64 + uniform) / (count as f64) < sum {
            picked.push(i);
        }
    }
    // Places left empty by rounding go to the last particle with a positive weight.
    let last = weights.iter().rposition(|weight| *weight > 0.0);
    picked.resize(count, last.unwrap_or(count - 1));
    picked
}

pub(super) fn host(x: Tensor<1>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}
