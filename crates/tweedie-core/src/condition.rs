//! Conditions of a network, and denoisers of conditional networks.
//!
//! A network may also learn the variance of an ancestral step. It then has twice the channels: the
//! first half is the prediction, the second half is `v ∈ [−1, 1]` for each value. The variance of
//! the step is `exp(w ln β + (1 − w) ln β̃)` with `w = (v + 1)/2`.
//!
//! # Reference
//! Nichol & Dhariwal 2021, eq. 15 (learned variance), arXiv:2102.09672.

use crate::{DenoiseError, Denoiser, InputError, Levels, Network, Posterior, Preconditioned};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::{DType, Device, Tensor};
use tweedie_math::{Level, ParameterError};

/// A network's additional input: classes, text, an image, or a type of your own.
///
/// `()` is the condition of an unconditional network.
pub trait Condition: Clone {
    /// Checks that the condition fits a batch of states of the given shape.
    ///
    /// Samplers call this before the first evaluation.
    ///
    /// # Errors
    /// [`ConditionError`] describes the mismatch.
    fn check(&self, shape: &[usize]) -> Result<(), ConditionError>;

    /// Returns the condition for a batch: a single row is repeated for every sample.
    #[must_use]
    fn for_batch(&self, batch: usize) -> Self;

    /// Returns the rows with the given indices, in their order. A single row stays as it is.
    ///
    /// Training selects the conditions of a batch with it.
    #[must_use]
    fn select(&self, rows: &[usize]) -> Self;

    /// Moves the tensors of the condition, if it has any, to a device.
    #[must_use]
    fn to_device(&self, device: &Device) -> Self;

    /// Converts the floating-point tensors of the condition, if it has any, to the precision of the
    /// network.
    #[must_use]
    fn cast(&self, dtype: DType) -> Self;

    /// Concatenates the rows of `first` and `second`, to evaluate both in one batch.
    ///
    /// Classifier-free guidance uses this.
    ///
    /// # Errors
    /// [`ConditionError`] if the two differ in kind or size.
    fn join(first: Self, second: Self) -> Result<Self, ConditionError>;
}

impl Condition for () {
    fn check(&self, _: &[usize]) -> Result<(), ConditionError> {
        Ok(())
    }

    fn for_batch(&self, _: usize) -> Self {}

    fn select(&self, _: &[usize]) -> Self {}

    fn to_device(&self, _: &Device) -> Self {}

    fn cast(&self, _: DType) -> Self {}

    fn join((): Self, (): Self) -> Result<Self, ConditionError> {
        Ok(())
    }
}

/// A condition that the network does not take, or a missing condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network takes {expected} as its {what}, and got {found}")]
pub struct ConditionError {
    /// The name of the condition: class, context, image or one of your own.
    pub what: &'static str,
    /// The condition that the network takes.
    pub expected: String,
    /// The condition that was passed.
    pub found: String,
}

/// The denoiser of a network with a fixed condition; see [`Preconditioned::with_condition`].
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

    /// Interprets the second half of the output channels (dimension 1) as the variance of an
    /// ancestral step.
    #[must_use]
    pub fn with_learned_variance(self) -> Self {
        Self {
            is_learned: true,
            ..self
        }
    }

    /// The network with its prediction type and time input.
    pub fn network(&self) -> &Preconditioned<N> {
        &self.network
    }

    /// The condition of the network.
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
        let condition = self.condition.for_batch(shape[0]);
        self.network.network().accepts(shape, &condition)?;
        self.network.check()
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::TimeInput;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::DType;
    use tweedie_math::Prediction;

    /// Predicts `x`, with the sign of `x` as the variance channel.
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
