//! The trait of network configurations, which connects your own networks to a model.

use crate::import::{CheckpointError, Naming};
use crate::{Grid, NetworkError, Sampling};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Device;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt::Debug;
use tweedie_core::{Condition, ConditionError, Network, TimeInput};
use tweedie_math::{Chain, Prediction, ScheduleError, Spacing};

/// The configuration of a network on images `[batch, channels, height, width]`.
///
/// With it, a [`Model`](crate::Model) checks, saves, loads, samples and exports the network.
///
/// [`UnetConfig`](crate::UnetConfig) and [`DitConfig`](crate::DitConfig) implement this trait, and
/// [`AnyArchitecture`](crate::AnyArchitecture) is either of them. A network of your own needs the
/// two types, `NAME`, `init` and `channels`:
///
/// ```
/// use burn::config::Config;
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Denoiser, Network, TimeInput};
/// use tweedie_math::{Level, Prediction};
/// use tweedie_models::{Architecture, Model, ModelConfig, NetworkError, Precision};
///
/// /// A linear map of every pixel's channels.
/// #[derive(Config, Debug, PartialEq)]
/// struct PixelwiseConfig { channels: usize }
///
/// #[derive(Module, Debug)]
/// struct Pixelwise { map: Linear }
///
/// impl Network<4> for Pixelwise {
///     fn forward(&self, x: Tensor<4>, _: Tensor<1>, (): &()) -> Tensor<4> {
///         self.map.forward(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
///     }
/// }
///
/// impl Architecture for PixelwiseConfig {
///     type Network = Pixelwise;
///     type Condition = ();
///     const NAME: Option<&'static str> = Some("pixelwise");
///
///     fn init(&self, device: &Device) -> Result<Pixelwise, NetworkError> {
///         Ok(Pixelwise { map: LinearConfig::new(self.channels, self.channels).init(device) })
///     }
///
///     fn channels(&self) -> [usize; 2] { [self.channels; 2] }
/// }
///
/// let (device, folder) = (Device::flex(), std::env::temp_dir().join("tweedie-pixelwise"));
/// let network = PixelwiseConfig::new(3);
/// let config = ModelConfig::new(network, Prediction::Noise, TimeInput::LogSnr, [8, 8]);
/// let network = config.init(&device)?.into_network();
/// Model::new(config, network)?.save(&folder, Precision::Full)?;
///
/// let model = Model::<PixelwiseConfig>::load(&folder, &device)?;
/// let clean = model.denoise(Tensor::ones([2, 3, 8, 8], &device), Level::new(0.6, 0.8)?)?;
/// assert_eq!(clean.dims(), [2, 3, 8, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Architecture: Clone + Debug + PartialEq + Serialize + DeserializeOwned {
    /// The network, a burn module.
    type Network: Module + ModuleDisplay + Network<4, Self::Condition>;

    /// The conditioning input of the network; `()` for no conditioning.
    ///
    /// A model uses the default until [`Model::with_condition`](crate::Model::with_condition) sets
    /// another.
    type Condition: Condition + Debug + Default + Send + Sync;

    /// The name of the architecture in `config.json`, such as `"unet"`.
    ///
    /// `None` is for a type that serialises the name itself.
    const NAME: Option<&'static str>;

    /// Initialises the network with random parameters.
    ///
    /// # Errors
    /// [`NetworkError`] for an invalid configuration.
    fn init(&self, device: &Device) -> Result<Self::Network, NetworkError>;

    /// The numbers of input and output channels.
    ///
    /// The input includes the channels of a conditioning image. The output has as many channels as
    /// the images, or twice as many with a learned variance.
    fn channels(&self) -> [usize; 2];

    /// The number that heights and widths have to be multiples of.
    fn patch(&self) -> usize {
        1
    }

    /// The smallest height and width.
    fn min_side(&self) -> usize {
        1
    }

    /// Checks a condition for images of `channels`.
    ///
    /// # Errors
    /// [`ConditionError`] for a condition that the network does not take, or that is missing.
    fn check_condition(
        &self,
        channels: usize,
        condition: &Self::Condition,
    ) -> Result<(), ConditionError> {
        let _ = (channels, condition);
        Ok(())
    }

    /// Checks that the network supports an encoding of the noise level.
    ///
    /// # Errors
    /// [`CheckpointError::Sampling`] with the reason.
    fn check_time(&self, time: &TimeInput) -> Result<(), CheckpointError> {
        let _ = time;
        Ok(())
    }

    /// Fills in the defaults that the network supplies for a missing condition.
    ///
    /// An example is the label of the row for no class. Both conditions of guidance then fit in one
    /// batch.
    fn with_defaults(&self, condition: Self::Condition, device: &Device) -> Self::Condition {
        let _ = device;
        condition
    }

    /// A lower bound on the number of the network's tensors.
    ///
    /// A file with fewer tensors is rejected before the network is created, so that a malicious
    /// configuration cannot exhaust memory.
    fn min_tensors(&self) -> usize {
        0
    }

    /// The sampling settings for checkpoints that have none.
    ///
    /// # Errors
    /// [`ScheduleError`] for an invalid chain.
    fn default_sampling(&self) -> Result<Sampling, ScheduleError> {
        ddpm(1000)
    }

    /// The network in the layout of diffusers, for images of height and width `size`.
    ///
    /// # Errors
    /// [`CheckpointError::Inexpressible`] for a network or field that diffusers does not have.
    fn published(&self, size: [usize; 2]) -> Result<Published, CheckpointError> {
        let _ = size;
        Err(CheckpointError::Inexpressible {
            layout: "diffusers' layout",
            what: format!("a network {}", Self::NAME.unwrap_or("of this kind")),
        })
    }
}

/// A network in the layout of diffusers.
#[derive(Debug)]
pub struct Published {
    /// The folder of the network in a pipeline.
    pub folder: &'static str,
    /// The network's `config.json`, with a `_class_name`.
    pub config: Value,
    /// The names of the network's parameters.
    pub naming: Box<dyn Naming>,
    /// The class of the image pipeline, if there is one.
    pub pipeline: Option<&'static str>,
    /// The class of the latent pipeline, and the folder of its autoencoder.
    pub latent: [&'static str; 2],
}

/// DDPM's settings: noise prediction, with the index of the linear chain of `steps` steps.
pub(crate) fn ddpm(steps: usize) -> Result<Sampling, ScheduleError> {
    let chain = Chain::linear(steps, 1e-4, 0.02)?;
    Ok(Sampling {
        prediction: Prediction::Noise,
        time: TimeInput::Index(chain.clone()),
        grid: Grid::Chain {
            chain,
            spacing: Spacing::Leading { offset: 0 },
            end: crate::End::Clean,
        },
        clip: crate::Clip::Static { range: 1.0 },
        learned_variance: false,
    })
}

/// Serialises a configuration as `{"name": {…}}`.
pub(crate) mod named {
    use super::{Architecture, DeserializeOwned, Value};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<A: Architecture, S: Serializer>(
        network: &A,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match A::NAME {
            Some(name) => serializer.collect_map([(name, network)]),
            None => network.serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, A: Architecture, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<A, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let inner = match (A::NAME, &value) {
            (None, _) => &value,
            (Some(name), Value::Object(fields)) if fields.len() == 1 => {
                let found = fields.keys().next().map_or("", String::as_str);
                let message = || D::Error::custom(format!("a network {found:?} is not {name:?}"));
                fields.get(name).ok_or_else(message)?
            }
            (Some(name), _) => {
                let message = format!("a network is an object with one field, {name:?}");
                return Err(D::Error::custom(message));
            }
        };
        read(inner).map_err(D::Error::custom)
    }

    fn read<A: DeserializeOwned>(value: &Value) -> serde_json::Result<A> {
        A::deserialize(value)
    }
}
