//! DDNM: `x̂₀ + A⁺ (y − A x̂₀)`. The measurement replaces the range component of the estimate; the
//! null-space component is kept.
//!
//! This is for noiseless measurements: the result reproduces a noisy one with its noise. For noisy
//! measurements, use [`DdnmPlus`](crate::posterior::DdnmPlus). For time travel, use
//! [`LevelPath::with_time_travel`](tweedie_math::LevelPath).
//!
//! # Reference
//! Wang, Yu & Zhang 2023, "Zero-Shot Image Restoration Using Denoising Diffusion Null-Space Model",
//! algorithm 1, arXiv:2212.00490.

use crate::measurement::{LinearMeasured, accepts_linear};
use crate::posterior::{pseudo_inverse, residual};
use burn::tensor::Tensor;
use tweedie_core::{DenoiseError, Denoiser, InputError};
use tweedie_math::Level;

/// The posterior denoiser of DDNM, for linear operators.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Denoiser, from_fn};
/// use tweedie_inverse::measurement::Measurement;
/// use tweedie_inverse::noise::GaussianNoise;
/// use tweedie_inverse::operator::{AveragePool, Operator};
/// use tweedie_inverse::posterior::Ddnm;
/// use tweedie_math::Level;
///
/// let y = Tensor::<4>::ones([1, 1, 2, 2], &Device::flex());
/// let measured = Measurement::new(AveragePool::new(2)?, GaussianNoise::new(0.01)?, y.clone());
/// let prior = from_fn(|x: Tensor<4>, _| x);
/// let guided = Ddnm::new(&prior, &measured);
/// let x = guided.denoise(Tensor::zeros([1, 1, 4, 4], &Device::flex()), Level::new(0.6, 0.8)?)?;
/// assert_eq!(measured.operator.apply(x).into_data(), y.into_data());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ddnm<M, P> {
    prior: M,
    problem: P,
}

impl<M, P> Ddnm<M, P> {
    /// Guides `prior` with a linear measurement. The noise level is ignored.
    pub fn new(prior: M, problem: P) -> Self {
        Self { prior, problem }
    }
}

impl<const D: usize, M: Denoiser<D>, P: LinearMeasured<D>> Denoiser<D> for Ddnm<M, P> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        let clean = self.prior.denoise(x, level)?;
        let residual = residual(&self.problem, clean.clone())?;
        Ok(clean + pseudo_inverse(self.problem.linear(), residual)?)
    }

    fn supports(&self, level: Level) -> bool {
        self.prior.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        accepts_linear(&self.problem, shape)?;
        self.prior.accepts(shape)
    }
}
