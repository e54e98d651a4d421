//! Counting of function evaluations.

use crate::{DenoiseError, Denoiser, InputError, Posterior};
use burn::tensor::Tensor;
use std::sync::atomic::{AtomicUsize, Ordering};
use tweedie_math::Level;

/// A denoiser that counts its function evaluations (NFE).
///
/// One evaluation is one call for a whole batch, regardless of the work inside. An estimate whose
/// shape differs from the state's is an error, since it could otherwise be broadcast over the
/// batch.
#[derive(Debug, Default)]
pub struct Counting<M> {
    denoiser: M,
    evaluations: AtomicUsize,
}

impl<M> Counting<M> {
    /// Returns the denoiser with a count of 0.
    pub fn new(denoiser: M) -> Self {
        Self {
            denoiser,
            evaluations: AtomicUsize::new(0),
        }
    }

    /// The number of evaluations so far.
    pub fn evaluations(&self) -> usize {
        self.evaluations.load(Ordering::Relaxed)
    }

    fn count(&self) -> &M {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        &self.denoiser
    }
}

impl<const D: usize, M: Denoiser<D>> Denoiser<D> for Counting<M> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let shape = x.dims();
        let clean = self.count().denoise(x, level)?;
        DenoiseError::unless_shape("the estimate", &clean.dims(), &shape)?;
        Ok(clean)
    }

    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        let shape = x.dims();
        let estimate = self.count().estimate(x, level)?;
        DenoiseError::unless_shape("the estimate", &estimate.clean.dims(), &shape)?;
        Ok(estimate)
    }

    fn supports(&self, level: Level) -> bool {
        self.denoiser.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.denoiser.accepts(shape)
    }
}
