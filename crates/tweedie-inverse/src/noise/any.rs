//! Every noise model as one serialisable type. `noise/mod.rs` lists them.

/// Defines `AnyNoise`, its methods and the conversions to it.
macro_rules! noise_models {
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

            fn weights(&self, y: &Tensor<D>) -> Option<Tensor<D>> {
                match self {
                    $(Self::$variant(noise) => noise.weights(y),)*
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
