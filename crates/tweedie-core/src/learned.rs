//! Networks that also learn the variance of an ancestral step.
//!
//! The network has twice the channels: the first half is its prediction, the second a number
//! `v ∈ [−1, 1]` for every value, and the step's variance is `exp(w ln β + (1 − w) ln β̃)` with
//! `w = (v + 1)/2`.
//!
//! # Reference
//! Nichol & Dhariwal 2021, eq. 15, arXiv:2102.09672.

use crate::{DenoiseError, Denoiser, InputError, Levels, Network, Posterior, Preconditioned};
use burn::module::Module;
use burn::tensor::Tensor;
use tweedie_math::{Level, ParameterError};

/// A [`Preconditioned`] network of `2C` output channels for `C` input channels (dimension 1).
#[derive(Module, Debug)]
pub struct LearnedRange<N: Module> {
    network: Preconditioned<N>,
}

impl<N: Module> LearnedRange<N> {
    /// Reads the second half of the network's channels as the variance.
    pub fn new(network: Preconditioned<N>) -> Self {
        Self { network }
    }

    /// The network, with what its first half means and how it is told the level.
    pub fn network(&self) -> &Preconditioned<N> {
        &self.network
    }
}

impl<const D: usize, N: Module + Network<D>> Denoiser<D> for LearnedRange<N> {
    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        Ok(self.estimate(x, level)?.clean)
    }

    fn estimate(&self, x: Tensor<D>, level: Level) -> Result<Posterior<D>, DenoiseError> {
        let channels = x.dims()[1];
        let levels = Levels::new(vec![level; x.dims()[0]]);
        let both = self.network.predict(x.clone(), &levels);
        let mut expected = x.dims();
        expected[1] = 2 * channels;
        let name = "the network's output, with learned variance,";
        DenoiseError::unless_shape(name, &both.dims(), &expected)?;
        let output = both.clone().narrow(1, 0, channels);
        Ok(Posterior {
            clean: self.network.clean(x, output, level)?,
            interpolation: Some((both.narrow(1, channels, channels) + 1.0) * 0.5),
        })
    }

    fn supports(&self, level: Level) -> bool {
        self.network.prediction().determines_clean(level)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let channels = shape.get(1).copied().unwrap_or(0);
        ParameterError::require_count("channels", channels)?;
        self.network.accepts(shape)
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::TimeInput;
    use burn::module::Module;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{DType, Device};
    use tweedie_math::Prediction;

    /// Says `x` and, of the variance, −1 to 1 by the sign of `x`.
    #[derive(Module, Debug)]
    struct Doubled {
        unused: Linear,
    }

    impl Network<2> for Doubled {
        fn forward(&self, x: Tensor<2>, _: Tensor<1>) -> Tensor<2> {
            Tensor::cat(vec![x.clone(), x.sign()], 1)
        }
    }

    #[test]
    fn the_second_half_of_the_channels_is_the_variance() {
        let device = Device::flex();
        let unused = LinearConfig::new(1, 1).init(&device);
        let network = Preconditioned::new(Doubled { unused }, Prediction::Clean, TimeInput::LogSnr);
        let network = LearnedRange::new(network);
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
