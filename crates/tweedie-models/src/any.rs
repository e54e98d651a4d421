//! All architectures of this crate as one type, stored in files by name.

use crate::import::CheckpointError;
use crate::{
    Architecture, Conditions, Description, Dit, DitConfig, NetworkError, Probe, Probed, Published,
    Sampling, Unet, UnetConfig,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use tweedie_core::{ConditionError, TimeInput};
use tweedie_math::ScheduleError;

/// Defines the enums of configurations and of networks, which dispatch to their variants.
macro_rules! any {
    ($($(#[$about:meta])* $variant:ident($config:ty, $network:ty),)*) => {
        /// The configuration of a network of any architecture of this crate.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum AnyArchitecture {
            $($(#[$about])* $variant($config),)*
        }

        /// A network of any architecture of this crate.
        #[derive(Module, Debug)]
        #[allow(clippy::large_enum_variant, reason = "modules are not kept in boxes")]
        #[non_exhaustive]
        pub enum AnyNetwork {
            $($(#[$about])* $variant($network),)*
        }

        $(impl From<$config> for AnyArchitecture {
            fn from(config: $config) -> Self {
                Self::$variant(config)
            }
        })*

        impl Architecture for AnyArchitecture {
            type Network = AnyNetwork;
            type Condition = Conditions;
            const NAME: Option<&'static str> = None;

            fn init(&self, device: &Device) -> Result<AnyNetwork, NetworkError> {
                Ok(match self {
                    $(Self::$variant(config) => AnyNetwork::$variant(config.init(device)?),)*
                })
            }

            fn channels(&self) -> [usize; 2] {
                match self {
                    $(Self::$variant(config) => Architecture::channels(config),)*
                }
            }

            fn patch(&self) -> usize {
                match self {
                    $(Self::$variant(config) => Architecture::patch(config),)*
                }
            }

            fn min_side(&self) -> usize {
                match self {
                    $(Self::$variant(config) => config.min_side(),)*
                }
            }

            fn check_condition(
                &self,
                channels: usize,
                condition: &Conditions,
            ) -> Result<(), ConditionError> {
                match self {
                    $(Self::$variant(config) => config.check_condition(channels, condition),)*
                }
            }

            fn check_time(&self, time: &TimeInput) -> Result<(), CheckpointError> {
                match self {
                    $(Self::$variant(config) => config.check_time(time),)*
                }
            }

            fn with_defaults(&self, condition: Conditions, device: &Device) -> Conditions {
                match self {
                    $(Self::$variant(config) => config.with_defaults(condition, device),)*
                }
            }

            fn min_tensors(&self) -> usize {
                match self {
                    $(Self::$variant(config) => config.min_tensors(),)*
                }
            }

            fn default_sampling(&self) -> Result<Sampling, ScheduleError> {
                match self {
                    $(Self::$variant(config) => config.default_sampling(),)*
                }
            }

            fn published(&self, size: [usize; 2]) -> Result<Published, CheckpointError> {
                match self {
                    $(Self::$variant(config) => config.published(size),)*
                }
            }
        }

        impl Probed for AnyNetwork {
            fn forward_probed(
                &self,
                x: Tensor<4>,
                time: Tensor<1>,
                conditions: &Conditions,
                probe: &mut dyn Probe,
            ) -> Tensor<4> {
                match self {
                    $(Self::$variant(network) => {
                        network.forward_probed(x, time, conditions, probe)
                    })*
                }
            }

            fn check_condition(
                &self,
                channels: usize,
                conditions: &Conditions,
            ) -> Result<(), ConditionError> {
                match self {
                    $(Self::$variant(network) => network.check_condition(channels, conditions),)*
                }
            }

            fn check_size(&self, size: [usize; 2]) -> Result<(), ConditionError> {
                match self {
                    $(Self::$variant(network) => network.check_size(size),)*
                }
            }
        }

        impl AnyNetwork {
            /// Describes the layers for images of height and width `size`.
            #[must_use]
            pub fn describe(&self, size: [usize; 2]) -> Description {
                match self {
                    $(Self::$variant(network) => network.describe(size),)*
                }
            }
        }
    };
}

any! {
    /// A U-Net.
    Unet(UnetConfig, Unet),
    /// A transformer.
    Dit(DitConfig, Dit),
}

crate::probe::probed!(AnyNetwork);
