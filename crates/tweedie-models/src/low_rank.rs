//! Low-rank adaptation: fine-tuning of `W + (α/r) U D` with frozen `W`.
//!
//! A convolution `[o, i, h, w]` gets `U`: `[o, r]` and `D`: `[r, i h w]`, as in diffusers; a linear
//! layer gets the two factors of burn's [`LoraAdapter`]. All other parameters are frozen.
//!
//! # Reference
//! Hu et al. 2022, "Low-Rank Adaptation of Large Language Models", section 4.1,
//! arXiv:2106.09685.

use crate::import::place::{Target, targets};
use burn::module::{LoraAdapter, Module, Param, Reparameterizer};
use burn::tensor::{DType, Device, Distribution, Tensor};
use std::collections::VecDeque;
use tweedie_core::parameter_dtype;
use tweedie_math::ParameterError;

/// Adapters of rank `r` for the linear layers and convolutions of a network.
///
/// The output does not change at first. Training then changes the adapters alone.
/// [`Adapters`](crate::Adapters) stores them in published layouts;
/// [`materialize`](burn::module::Module::materialize) adds them to the weights.
///
/// ```
/// use burn::module::Module;
/// use burn::tensor::Device;
/// use tweedie_models::{LowRank, UnetConfig};
///
/// let config = UnetConfig::new(1).with_widths([8, 16]).with_groups(Some(4));
/// let network = config.init(&Device::flex())?;
/// let adapted = LowRank::new(4)?.attach(network);
/// // … train it …
/// let merged = adapted.materialize();
/// # let _ = merged;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowRank {
    rank: usize,
    alpha: f64,
}

impl LowRank {
    /// Adapters of this rank, with `α` equal to it.
    ///
    /// # Errors
    /// [`ParameterError`] unless the rank is at least 1.
    pub fn new(rank: usize) -> Result<Self, ParameterError> {
        let rank = ParameterError::require_count("the rank", rank).map(|_| rank)?;
        Ok(Self {
            rank,
            alpha: rank as f64,
        })
    }

    /// Sets `α`: the product of the factors is multiplied by `α/r`.
    ///
    /// # Errors
    /// [`ParameterError`] unless `α` is above 0.
    pub fn with_alpha(self, alpha: f64) -> Result<Self, ParameterError> {
        ParameterError::require_positive("α", alpha)?;
        Ok(Self { alpha, ..self })
    }

    /// Adds adapters to every linear layer and convolution of a network. Their random factors come
    /// from burn's generator, as [`seeded`](crate::seeded) weights do. Adapters that the network
    /// already has are added to its weights.
    #[must_use]
    pub fn attach<M: Module>(self, network: M) -> M {
        let device = network.devices().into_iter().next().unwrap_or_default();
        let like = (&device, parameter_dtype(&network).unwrap_or(DType::F32));
        let network = network.materialize();
        let targets = targets(&network).into_iter();
        let adapters = targets.map(|target| self.adapter(&target, like));
        let adapters = adapters.collect();
        attach(network, adapters)
    }

    fn adapter(&self, target: &Target, like: (&Device, DType)) -> Option<LoraAdapter> {
        let (rows, columns) = matrix(target)?;
        let random = |shape| {
            let std = 1.0 / self.rank as f64;
            Tensor::<2>::random(shape, Distribution::Normal(0.0, std), like)
        };
        let zeros = |shape| Tensor::<2>::zeros(shape, like);
        // Inputs are rows of a linear layer and columns of a convolution. Their factor is random.
        let [a, b] = match target.linear {
            true => [random([rows, self.rank]), zeros([self.rank, columns])],
            false => [zeros([rows, self.rank]), random([self.rank, columns])],
        };
        let [a, b] = [a, b].map(Param::from_tensor);
        let scale = self.alpha / self.rank as f64;
        Some(LoraAdapter { a, b, scale })
    }
}

/// Rows and columns of a weight as a matrix; `None` for what has no adapter.
pub(crate) fn matrix(target: &Target) -> Option<(usize, usize)> {
    let adapts = target.linear || target.shape.len() == 4;
    adapts.then(|| (target.shape[0], target.shape[1..].iter().product()))
}

/// Adds an adapter, or none, to each parameter of a network, in the order of a visit. All other
/// parameters are frozen.
pub(crate) fn attach<M: Module>(network: M, adapters: VecDeque<Option<LoraAdapter>>) -> M {
    network.apply_reparameterization(InOrder(adapters))
}

struct InOrder(VecDeque<Option<LoraAdapter>>);

impl Reparameterizer for InOrder {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        _: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let adapter = self.0.pop_front().flatten();
        (param.set_require_grad(false), adapter)
    }
}
