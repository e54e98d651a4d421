//! Every noise model as one serialisable enum.

use super::{
    GammaNoise, GaussianNoise, InRange, LaplaceNoise, LogPoissonNoise, NoiseModel,
    PoissonGaussianNoise, PoissonNoise, QuantisationNoise, RicianNoise, SaltAndPepper, ShotNoise,
    UniformNoise,
};
use crate::operator::OperatorError;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_core::Noise;

macro_rules! any {
    ($($(#[$about:meta])* $variant:ident($type:ty),)*) => {
        /// Any noise model.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum AnyNoise {
            $($(#[$about])* $variant($type),)*
        }

        $(impl From<$type> for AnyNoise {
            fn from(noise: $type) -> Self {
                Self::$variant(noise)
            }
        })*

        impl AnyNoise {
            /// The names of all kinds.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($variant),)*];

            /// The name of the noise model's kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($variant),)*
                }
            }
        }

        impl<const D: usize> NoiseModel<D> for AnyNoise {
            fn check(&self, mean: &Tensor<D>) -> Result<(), OperatorError> {
                match self {
                    $(Self::$variant(noise) => noise.check(mean),)*
                }
            }

            fn check_measured(&self, y: &Tensor<D>) -> Result<(), OperatorError> {
                match self {
                    $(Self::$variant(noise) => noise.check_measured(y),)*
                }
            }

            fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
                match self {
                    $(Self::$variant(noise) => noise.log_likelihood(y, mean),)*
                }
            }

            fn corrupt(&self, mean: Tensor<D>, random: &mut dyn Noise<D>) -> Tensor<D> {
                match self {
                    $(Self::$variant(noise) => noise.corrupt(mean, random),)*
                }
            }
        }
    };
}

any! {
    /// Additive normal noise.
    Gaussian(GaussianNoise),
    /// Poisson noise of photon counts.
    Poisson(PoissonNoise),
    /// The normal approximation to Poisson noise.
    Shot(ShotNoise),
    /// Poisson noise of photons plus normal noise of the electronics.
    PoissonGaussian(PoissonGaussianNoise),
    /// Additive uniform noise.
    Uniform(UniformNoise),
    /// Additive Laplace noise.
    Laplace(LaplaceNoise),
    /// Impulses: salt and pepper.
    SaltAndPepper(SaltAndPepper),
    /// Multiplicative gamma noise: speckle.
    Gamma(GammaNoise),
    /// The magnitude of a complex value with normal noise.
    Rician(RicianNoise),
    /// Rounding to multiples of a step.
    Quantisation(QuantisationNoise),
    /// The logarithm of Poisson counts.
    LogPoisson(LogPoissonNoise),
    /// Any of these, with parameters stated in another range.
    InRange(Box<InRange<AnyNoise>>),
}
