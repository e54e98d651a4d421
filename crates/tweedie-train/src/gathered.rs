//! The losses of a batch, from its parts and from all processes.

use crate::{Group, GroupError};

/// The losses, log-SNRs and examples that are not finite, by their place in the batch.
pub(crate) struct Gathered {
    /// Losses, then log-SNRs, then 1 for each example that is not finite, then the number of
    /// log-SNRs.
    values: Vec<f64>,
    batch: usize,
}

/// What a whole batch has yielded.
pub(crate) struct Whole {
    pub(crate) losses: Vec<f64>,
    pub(crate) log_snr: Vec<f64>,
    /// The place of the first example that is not finite.
    pub(crate) broken: Option<usize>,
}

impl Gathered {
    pub(crate) fn new(batch: usize) -> Self {
        let values = vec![0.0; 3 * batch + 1];
        Self { values, batch }
    }

    /// Enters the part that begins at place `first`. `broken` counts from there.
    pub(crate) fn part(
        &mut self,
        first: usize,
        losses: &[f64],
        log_snr: &[f64],
        broken: Option<usize>,
    ) {
        let batch = self.batch;
        self.values[first..][..losses.len()].copy_from_slice(losses);
        self.values[batch + first..][..log_snr.len()].copy_from_slice(log_snr);
        if let Some(place) = broken {
            self.values[2 * batch + first + place] = 1.0;
        }
        self.values[3 * batch] += log_snr.len() as f64;
    }

    /// Losses, log-SNRs and the first example that is not finite, of all processes.
    pub(crate) fn over(mut self, group: &impl Group) -> Result<Whole, GroupError> {
        group.sum_f64(&mut self.values)?;
        let batch = self.batch;
        let broken = self.values[2 * batch..3 * batch].iter();
        let broken = broken.clone().position(|&flag| flag > 0.0);
        let has_levels = self.values[3 * batch] as usize == batch;
        self.values.truncate(2 * batch);
        let mut log_snr = self.values.split_off(batch);
        if !has_levels {
            log_snr.clear();
        }
        Ok(Whole {
            losses: self.values,
            log_snr,
            broken,
        })
    }
}
