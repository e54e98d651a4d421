//! Every noise model as one type, that can be written to a file and read back.

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

            /// The name of the law's kind.
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
    /// Normal.
    Gaussian(GaussianNoise),
    /// Photons.
    Poisson(PoissonNoise),
    /// Photons, as normal noise.
    Shot(ShotNoise),
    /// Photons and electronics.
    PoissonGaussian(PoissonGaussianNoise),
    /// Bounded.
    Uniform(UniformNoise),
    /// Heavy tails.
    Laplace(LaplaceNoise),
    /// Impulses.
    SaltAndPepper(SaltAndPepper),
    /// Speckle.
    Gamma(GammaNoise),
    /// Magnitudes.
    Rician(RicianNoise),
    /// Rounding.
    Quantisation(QuantisationNoise),
    /// Logarithms of counts.
    LogPoisson(LogPoissonNoise),
    /// Any of these, stated in another range.
    InRange(Box<InRange<AnyNoise>>),
}
