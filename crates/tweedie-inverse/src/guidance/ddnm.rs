//! DDNM: `x̂₀ + A⁺ (y − A x̂₀)`, the estimate with its range replaced by what was measured and its null
//! space kept.
//!
//! For measurements without noise; a noisy one is reproduced, noise included. For those there is
//! [`DdnmPlus`](crate::DdnmPlus). Time travel: [`Path::with_time_travel`](tweedie_math::Path).
//!
//! # Reference
//! Wang, Yu & Zhang 2023, "Zero-Shot Image Restoration Using Denoising Diffusion Null-Space Model",
//! algorithm 1, arXiv:2212.00490.

use super::settled_pinv;
use crate::adjoint::check_adjoint;
use crate::measurement::check_measured;
use crate::{Linear, residual};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError};
use tweedie_math::Level;

/// The posterior denoiser of DDNM, for linear operators.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Denoiser, from_fn};
/// use tweedie_inverse::{AveragePool, Ddnm, Operator};
/// use tweedie_math::Level;
///
/// let y = Tensor::<4>::ones([1, 1, 2, 2], &Device::flex());
/// let prior = from_fn(|x: Tensor<4>, _| x);
/// let guided = Ddnm::new(&prior, AveragePool::new(2)?, y.clone());
/// let x = guided.denoise(Tensor::zeros([1, 1, 4, 4], &Device::flex()), Level::new(0.6, 0.8)?);
/// assert_eq!(AveragePool::new(2)?.apply(x).into_data(), y.into_data());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ddnm<const D: usize, M, A> {
    prior: M,
    operator: A,
    y: Tensor<D>,
}

impl<const D: usize, M: Denoiser<D>, A: Linear<D>> Ddnm<D, M, A> {
    /// Guides `prior` by `y = A x₀`; a `y` of batch 1 is shared.
    pub fn new(prior: M, operator: A, y: Tensor<D>) -> Self {
        Self { prior, operator, y }
    }
}

impl<const D: usize, M: Denoiser<D>, A: Linear<D>> Denoiser<D> for Ddnm<D, M, A> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Tensor<D> {
        let clean = self.prior.denoise(x, level);
        let residual = residual::of(&self.operator, self.y.clone(), clean.clone());
        clean + settled_pinv(&self.operator, residual)
    }

    fn supports(&self, level: Level) -> bool {
        self.prior.supports(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        check_measured(&self.operator, &self.y, shape)?;
        check_adjoint(&self.operator, &self.y, shape)?;
        self.prior.accepts(shape)
    }
}
