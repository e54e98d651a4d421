//! The networks that a model can have.

use crate::import::CheckpointError;
use crate::probe::Probe;
use crate::{Conditional, Conditions, Dit, DitConfig, Unet, UnetConfig, UnetError};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use tweedie_core::Network;

/// What a network is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// A U-Net.
    Unet(UnetConfig),
    /// A transformer.
    Dit(DitConfig),
}

/// A network of any architecture.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "modules are not kept in boxes")]
pub enum Backbone {
    /// A U-Net.
    Unet(Unet),
    /// A transformer.
    Dit(Dit),
}

impl Architecture {
    /// The network on `device`.
    ///
    /// # Errors
    /// [`UnetError`] for a configuration that makes no sense.
    pub fn init(&self, device: &Device) -> Result<Backbone, UnetError> {
        Ok(match self {
            Self::Unet(config) => Backbone::Unet(config.init(device)?),
            Self::Dit(config) => Backbone::Dit(config.init(device)?),
        })
    }

    /// Blocks, each of which has at least one parameter of its own.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Self::Unet(config) => config.parts(),
            Self::Dit(config) => config.layers,
        }
    }

    /// Channels in, with those of a conditioning image, and out.
    #[must_use]
    pub fn channels(&self) -> [usize; 2] {
        match self {
            Self::Unet(config) => [config.channels, config.outputs()],
            Self::Dit(config) => [config.channels, config.outputs()],
        }
    }

    /// What heights and widths have to be multiples of.
    #[must_use]
    pub fn patch(&self) -> usize {
        match self {
            Self::Unet(config) => config.patch.saturating_mul(match config.is_even() {
                true => config.shrinkage(),
                false => 1,
            }),
            Self::Dit(config) => config.patch,
        }
    }

    /// The least height and width: a pixel is left on the last level.
    #[must_use]
    pub fn least_side(&self) -> usize {
        match self {
            Self::Unet(config) => config.patch.saturating_mul(config.shrinkage()),
            Self::Dit(config) => config.patch,
        }
    }

    /// `Ok` for images of a height and width that the network takes.
    ///
    /// # Errors
    /// [`CheckpointError::Size`].
    pub(crate) fn check_size(&self, size: [usize; 2]) -> Result<(), CheckpointError> {
        let (patch, least) = (self.patch().max(1), self.least_side().max(1));
        let fits = |side: usize| side >= least && side.is_multiple_of(patch);
        match size.into_iter().all(fits) {
            true => Ok(()),
            false => Err(CheckpointError::Size { size, patch, least }),
        }
    }
}

impl From<UnetConfig> for Architecture {
    fn from(config: UnetConfig) -> Self {
        Self::Unet(config)
    }
}

impl From<DitConfig> for Architecture {
    fn from(config: DitConfig) -> Self {
        Self::Dit(config)
    }
}

impl Network<4> for Backbone {
    fn forward(&self, x: Tensor<4>, condition: Tensor<1>) -> Tensor<4> {
        self.forward_conditional(x, condition, &Conditions::none(), &mut ())
    }
}

impl Conditional for Backbone {
    fn forward_conditional(
        &self,
        x: Tensor<4>,
        time: Tensor<1>,
        conditions: &Conditions,
        probe: &mut dyn Probe,
    ) -> Tensor<4> {
        match self {
            Self::Unet(network) => network.forward_conditional(x, time, conditions, probe),
            Self::Dit(network) => network.forward_conditional(x, time, conditions, probe),
        }
    }
}
