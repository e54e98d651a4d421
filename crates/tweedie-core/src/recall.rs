//! Self-conditioning: a network that sees its own last estimate.
//!
//! # Reference
//! Chen, Zhang & Hinton 2023, "Analog bits: generating discrete data using diffusion models with
//! self-conditioning", section 3.2, arXiv:2208.04202.

use crate::{Condition, DenoiseError, Denoiser, InputError, Levels, Network, Preconditioned};
use burn::module::Module;
use burn::tensor::Tensor;
use std::sync::{Mutex, PoisonError};
use tweedie_math::Level;

/// A condition that can carry an estimate of `x₀`.
pub trait WithEstimate<const D: usize>: Condition {
    /// Returns the condition with an estimate `[batch, …]` of `x₀`.
    #[must_use]
    fn with_estimate(&self, estimate: Tensor<D>) -> Self;
}

/// The denoiser of a network that sees its last estimate, zero at first.
///
/// It remembers one run. A level with more noise than the last one, or a state of another shape,
/// begins a new run. Two runs at the same time need two of these.
#[derive(Debug)]
pub struct Recall<const D: usize, N: Module, C> {
    network: Preconditioned<N>,
    condition: C,
    last: Mutex<Option<(Level, Tensor<D>)>>,
}

impl<const D: usize, N: Module, C: WithEstimate<D>> Recall<D, N, C> {
    /// The denoiser of a network under a condition, to which the estimates are added.
    pub fn new(network: Preconditioned<N>, condition: C) -> Self {
        let last = Mutex::new(None);
        Self {
            network,
            condition,
            last,
        }
    }
}

impl<const D: usize, N, C> Denoiser<D> for Recall<D, N, C>
where
    N: Module + Network<D, C>,
    C: WithEstimate<D>,
{
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|(before, estimate)| {
            before.log_snr() <= level.log_snr() && estimate.dims() == x.dims()
        });
        let known = known.map_or_else(|| x.zeros_like(), |(_, estimate)| estimate);
        let batch = x.dims()[0];
        let condition = self.condition.for_batch(batch).with_estimate(known);
        let levels = Levels::new(vec![level; batch]);
        let output = self.network.predict_with(x.clone(), &levels, &condition);
        let clean = self.network.clean(x, output, level)?;
        *last = Some((level, clean.clone().detach()));
        Ok(clean)
    }

    fn supports(&self, level: Level) -> bool {
        self.network.prediction().determines_clean(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.condition.check(&shape)?;
        let device = self.network.network().devices().into_iter().next();
        let nothing = Tensor::zeros(shape, &device.unwrap_or_default());
        let condition = self.condition.for_batch(shape[0]).with_estimate(nothing);
        self.network.network().accepts(shape, &condition)?;
        self.network.check()
    }
}
