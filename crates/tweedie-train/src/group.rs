//! Several processes that train one model together: each computes a part of every batch, and the
//! gradients are summed.
//!
//! # Reference
//! Goyal et al. 2017, "Accurate, large minibatch SGD", arXiv:1706.02677 (data parallelism with one
//! reduction per step).

use std::fmt::Debug;
use std::ops::Range;

/// Another process of the run that could not be reached, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another process of the run: {0}")]
pub struct GroupError(pub String);

/// The processes of a run. Every one holds the model, the optimizer and the averages, and makes the
/// same step.
///
/// [`Alone`] is a single process. The crate `tweedie-mpi` implements the trait over MPI.
pub trait Group: Debug {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// The number of processes, at least 1.
    fn size(&self) -> usize;

    /// Replaces `values` by their sums over all processes. Each process gets the same bits.
    ///
    /// # Errors
    /// If a process cannot be reached.
    fn sum(&self, values: &mut [f32]) -> Result<(), GroupError>;

    /// Like [`sum`](Self::sum), in double precision.
    ///
    /// # Errors
    /// If a process cannot be reached.
    fn sum_f64(&self, values: &mut [f64]) -> Result<(), GroupError>;

    /// Whether a condition holds in any of the processes.
    ///
    /// # Errors
    /// If a process cannot be reached.
    fn any(&self, holds: bool) -> Result<bool, GroupError> {
        let mut count = [f64::from(u8::from(holds))];
        self.sum_f64(&mut count)?;
        Ok(count[0] > 0.0)
    }

    /// The part of `count` independent items, such as images to draw, that belongs to this process.
    ///
    /// ```
    /// use tweedie_train::{Alone, Group};
    ///
    /// assert_eq!(Alone.share(10), 0..10);
    /// ```
    fn share(&self, count: usize) -> Range<usize> {
        let place = |rank: usize| (count * rank).div_ceil(self.size());
        place(self.rank())..place(self.rank() + 1)
    }
}

/// One process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alone;

impl Group for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&self, _: &mut [f32]) -> Result<(), GroupError> {
        Ok(())
    }

    fn sum_f64(&self, _: &mut [f64]) -> Result<(), GroupError> {
        Ok(())
    }
}
