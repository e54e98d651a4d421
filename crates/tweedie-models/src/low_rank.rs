//! Low-rank adaptation: fine-tuning of `W + (α/r) U D` with frozen `W`.
//!
//! A convolution `[o, i, h, w]` gets `U`: `[o, r]` and `D`: `[r, i h w]`, as in diffusers; a linear
//! layer gets the two factors of burn's [`LoraAdapter`]. All other parameters are frozen.
//!
//! # Reference
//! Hu et al. 2022, "Low-Rank Adaptation of Large Language Models", section 4.1,
//! arXiv:2106.09685.

use burn::module::{LoraAdapter, Param, Reparameterizer};
use burn::tensor::{Distribution, Tensor};
use tweedie_math::ParameterError;

/// Adapters of rank `r` for the linear layers and convolutions of a network.
///
/// The output does not change at first. Training then changes the adapters alone;
/// [`materialize`](burn::module::Module::materialize) adds them to the weights, for saving and
/// export.
///
/// ```
/// use burn::module::Module;
/// use burn::tensor::Device;
/// use tweedie_models::{LowRank, UnetConfig};
///
/// let config = UnetConfig::new(1).with_widths([8, 16]).with_groups(Some(4));
/// let network = config.init(&Device::flex())?;
/// let adapted = network.apply_reparameterization(LowRank::new(4)?);
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
}

impl Reparameterizer for LowRank {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        _: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let base = param.set_require_grad(false);
        if ![2, 4].contains(&D) {
            return (base, None);
        }
        let value = base.base();
        let shape = value.dims();
        let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
        let like = (&value.device(), value.dtype());
        let random = |shape| {
            let std = 1.0 / self.rank as f64;
            Tensor::<2>::random(shape, Distribution::Normal(0.0, std), like)
        };
        let zeros = |shape| Tensor::<2>::zeros(shape, like);
        // Inputs are rows of a linear layer and columns of a convolution. Their factor is random.
        let [a, b] = match D {
            2 => [random([rows, self.rank]), zeros([self.rank, columns])],
            _ => [zeros([rows, self.rank]), random([self.rank, columns])],
        };
        let [a, b] = [a, b].map(Param::from_tensor);
        let scale = self.alpha / self.rank as f64;
        (base, Some(LoraAdapter { a, b, scale }))
    }
}
