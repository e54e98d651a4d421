//! Losses on held-out examples, with the same times and noise at every call.

use crate::own_part::ask;
use crate::{Draws, Examples, Loss, Objective, Request, TrainError, Trainer};
use burn::module::Module;

/// The losses of held-out examples, by noise level.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HeldOut {
    /// The mean loss.
    pub loss: f64,
    /// The loss of each example.
    pub losses: Vec<f64>,
    /// The log-SNR of each example; empty for an objective without noise levels.
    pub log_snr: Vec<f64>,
}

impl HeldOut {
    /// The mean loss in each of `bins` intervals of the log-SNR that hold equally many examples:
    /// pairs of the interval's mean log-SNR and its mean loss, noisiest first.
    ///
    /// # Panics
    /// If `bins` is 0.
    #[must_use]
    pub fn by_log_snr(&self, bins: usize) -> Vec<(f64, f64)> {
        assert!(bins > 0, "at least one interval");
        let pairs = self
            .log_snr
            .iter()
            .copied()
            .zip(self.losses.iter().copied());
        let mut pairs: Vec<(f64, f64)> = pairs.collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let size = pairs.len().div_ceil(bins).max(1);
        let mean = |bin: &[(f64, f64)]| {
            let count = bin.len() as f64;
            let sum = bin.iter().fold((0.0, 0.0), |sum, pair| {
                (sum.0 + pair.0 / count, sum.1 + pair.1 / count)
            });
            (sum.0, sum.1)
        };
        pairs.chunks(size).map(mean).collect()
    }
}

impl<M: Module, O: Objective<M>> Trainer<M, O> {
    /// Evaluates the averaged model on examples that the run does not train on.
    ///
    /// Each example has one time and one noise, the same at every call, so that two calls compare
    /// two models. The times cover the distribution of training evenly.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn held_out<const D: usize, E: Examples<D>>(
        &self,
        examples: &E,
    ) -> Result<HeldOut, TrainError>
    where
        O: Loss<M, D, E::Condition>,
    {
        let (count, device) = (examples.len(), self.plain_device());
        if count == 0 {
            return Err(TrainError::NoExamples);
        }
        // Van der Corput's sequence, in the middle of its intervals: even, and unrelated to the
        // order of the examples.
        let middle = 0.5 / count.next_power_of_two() as f64;
        let uniform = |i: usize| (i as u64).reverse_bits() as f64 / 2_f64.powi(64) + middle;
        let (mut losses, mut log_snr) = (Vec::new(), Vec::new());
        let indices: Vec<usize> = (0..count).collect();
        for indices in indices.chunks(self.settings.batch) {
            let first = indices[0];
            let request = Request::new(indices, &device, HELD_OUT).starting_at(first);
            let batch = ask(examples, &request)?;
            let uniform = indices.iter().map(|&i| uniform(i)).collect();
            let mut draws = Draws::new(uniform, HELD_OUT_NOISE, first).evaluating();
            let found = self.objective.losses(self.average(), batch, &mut draws)?;
            losses.extend(found.values.into_data().iter::<f64>());
            log_snr.extend(found.log_snr);
        }
        Ok(HeldOut {
            loss: losses.iter().sum::<f64>() / count as f64,
            losses,
            log_snr,
        })
    }
}

/// The seeds of the choices and of the noise of held-out examples.
const HELD_OUT: u64 = 0x4845_4c44;
const HELD_OUT_NOISE: u64 = HELD_OUT + 1;
