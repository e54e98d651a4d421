//! What a network is told besides the level, and the denoiser of a network that is told it.
//!
//! A network may also learn the variance of an ancestral step. It then has twice the channels: the
//! first half is its prediction, the second a number `v ∈ [−1, 1]` for every value, and the step's
//! variance is `exp(w ln β + (1 − w) ln β̃)` with `w = (v + 1)/2`.
//!
//! # Reference
//! Nichol & Dhariwal 2021, eq. 15 (learned variance), arXiv:2102.09672.

use crate::{DenoiseError, Denoiser, InputError, Levels, Network, Posterior, Preconditioned};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use tweedie_math::{Level, ParameterError};

/// What a network is told besides the level: classes, a text, an image, or anything that a network
/// of your own takes. `()` is nothing.
pub trait Condition: Clone {
    /// Checks that it serves a batch of states of a shape. A run asks this before the first
    /// evaluation.
    ///
    /// # Errors
    /// [`ConditionError`] says what does not fit.
    fn check(&self, shape: &[usize]) -> Result<(), ConditionError>;

    /// The condition of every sample of a batch: a single row is repeated.
    #[must_use]
    fn for_batch(&self, batch: usize) -> Self;

    /// The rows of `first`, then those of `second`: two conditions in one pass, for classifier-free
    /// guidance.
    ///
    /// # Errors
    /// [`ConditionError`] if they are of two kinds or sizes.
    fn join(first: Self, second: Self) -> Result<Self, ConditionError>;
}

impl Condition for () {
    fn check(&self, _: &[usize]) -> Result<(), ConditionError> {
        Ok(())
    }

    fn for_batch(&self, _: usize) -> Self {}

    fn join((): Self, (): Self) -> Result<Self, ConditionError> {
        Ok(())
    }
}

/// Conditions that a network does not take, or lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network takes {expected} as its {what}, and got {found}")]
pub struct ConditionError {
    /// Which condition: class, context or image, or one of yours.
    pub what: &'static str,
    /// What the network takes.
    pub expected: String,
    /// What it was given.
    pub found: String,
}

/// The denoiser of a network that is told a condition at every level; made by
/// [`Preconditioned::with_condition`].
#[derive(Clone, Debug)]
pub struct Conditioned<N: Module + ModuleDisplay, C = ()> {
    network: Preconditioned<N>,
    condition: C,
    is_learned: bool,
}

impl<N: Module + ModuleDisplay, C> Conditioned<N, C> {
    pub(crate) fn new(network: Preconditioned<N>, condition: C) -> Self {
        Self {
            network,
            condition,
            is_learned: false,
        }
    }

    /// Reads the second half of the network's channels (dimension 1) as the variance of an
    /// ancestral step.
    #[must_use]
    pub fn with_learned_variance(self) -> Self {
        Self {
            is_learned: true,
            ..self
        }
    }

    /// The network, with what its output means and how it is told the level.
    pub fn network(&self) -> &Preconditioned<N> {
        &self.network
    }

    /// What it is told besides.
    pub fn condition(&self) -> &C {
        &self.condition
    }
}

impl<const D: usize, N: Module + ModuleDisplay + Network<D, C>, C: Condition> Denoiser<D>
    for Conditioned<N, C>
{
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        Ok(self.estimate(x, level)?.clean)
    }

    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        let batch = x.dims()[0];
        let levels = Levels::new(vec![level; batch]);
        let condition = self.condition.for_batch(batch);
        let output = self.network.predict_with(x.clone(), &levels, &condition);
        if !self.is_learned {
            return Ok(Posterior {
                clean: self.network.clean(x, output, level)?,
                interpolation: None,
            });
        }
        let (channels, mut expected) = (x.dims()[1], x.dims());
        expected[1] = 2 * channels;
        let name = "the network's output, with learned variance,";
        DenoiseError::unless_shape(name, &output.dims(), &expected)?;
        let prediction = output.clone().narrow(1, 0, channels);
        Ok(Posterior {
            clean: self.network.clean(x, prediction, level)?,
            interpolation: Some((output.narrow(1, channels, channels) + 1.0) * 0.5),
        })
    }

    fn supports(&self, level: Level) -> bool {
        self.network.prediction().determines_clean(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        if self.is_learned {
            let channels = shape.get(1).copied().unwrap_or(0);
            ParameterError::require_count("channels", channels)?;
        }
        self.condition.check(&shape)?;
        self.network.check()
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::TimeInput;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{DType, Device};
    use tweedie_math::Prediction;

    /// Says `x` and, of the variance, −1 to 1 by the sign of `x`.
    #[derive(Module, Debug)]
    struct Doubled {
        unused: Linear,
    }

    impl Network<2> for Doubled {
        fn forward(&self, x: Tensor<2>, _: Tensor<1>, (): &()) -> Tensor<2> {
            Tensor::cat(vec![x.clone(), x.sign()], 1)
        }
    }

    #[test]
    fn the_second_half_of_the_channels_is_the_variance() {
        let device = Device::flex();
        let unused = LinearConfig::new(1, 1).init(&device);
        let network = Preconditioned::new(Doubled { unused }, Prediction::Clean, TimeInput::LogSnr);
        let network = network.with_condition(()).with_learned_variance();
        let x = Tensor::<2>::from_data([[0.5, -2.0]], (&device, DType::F64));
        let level = Level::variance_preserving(0.0);
        let posterior = network.estimate(x.clone(), level).expect("an estimate");
        let values = |x: Tensor<2>| x.into_data().iter::<f64>().collect::<Vec<_>>();
        let place = posterior.interpolation.expect("a variance");
        assert_eq!(values(place), [1.0, 0.0]);
        assert_eq!(values(posterior.clean), values(x.clone()));
        let clean = network.denoise(x.clone(), level).expect("an estimate");
        assert_eq!(values(clean), values(x));
    }
}
