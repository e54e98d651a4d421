//! A trained network with everything needed to sample from it.

use crate::architecture::named;
use crate::import::place::{Target, targets};
use crate::import::{Checkpoint, CheckpointError, Native, Own, Precision, export};
use crate::sampling::Sampling;
use crate::{AnyArchitecture, Architecture};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tweedie_core::{
    ConditionError, Conditioned, DenoiseError, Denoiser, InputError, Posterior, Preconditioned,
    TimeInput, replace_file,
};
use tweedie_math::{Level, Prediction};

/// The configuration of a [`Model`]: everything but the weights.
///
/// `A` is the network's configuration: one of this crate, or [your own](Architecture).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "A: Architecture")]
#[non_exhaustive]
pub struct ModelConfig<A: Architecture = AnyArchitecture> {
    /// The network's configuration.
    #[serde(with = "named")]
    pub network: A,
    /// What the network predicts, such as the noise.
    pub prediction: Prediction,
    /// How the noise level is encoded as the network's time input.
    pub time: TimeInput,
    /// Height and width of the training images.
    pub size: [usize; 2],
    /// Channels of the images, without those of a conditioning image. A network with twice as many
    /// outputs also predicts the variance of an ancestral step.
    pub channels: usize,
    /// The sampling settings of the checkpoint, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// A trained network: a denoiser of images `[batch, channels, height, width]`.
///
/// A model is stored in one directory, as `config.json` (the [`ModelConfig`]) and
/// `weights.safetensors`. [`Checkpoint`] reads published checkpoints.
#[derive(Clone, Debug)]
pub struct Model<A: Architecture = AnyArchitecture> {
    config: ModelConfig<A>,
    denoiser: Conditioned<A::Network, A::Condition>,
}

impl<A: Architecture> ModelConfig<A> {
    /// Creates a configuration for images of height and width `size`.
    ///
    /// The images have as many channels as the network has inputs.
    #[must_use]
    pub fn new(network: A, prediction: Prediction, time: TimeInput, size: [usize; 2]) -> Self {
        let [channels, _] = network.channels();
        Self {
            network,
            prediction,
            time,
            size,
            channels,
            sampling: None,
        }
    }

    /// Sets what the network's output means.
    #[must_use]
    pub fn with_prediction(self, prediction: Prediction) -> Self {
        Self { prediction, ..self }
    }

    /// Sets the height and width of the images.
    #[must_use]
    pub fn with_size(self, size: [usize; 2]) -> Self {
        Self { size, ..self }
    }

    /// Sets the channels of the images, without those of a conditioning image.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// Sets how the model is sampled from.
    #[must_use]
    pub fn with_sampling(self, sampling: Sampling) -> Self {
        Self {
            sampling: Some(sampling),
            ..self
        }
    }

    /// Initialises the model with random parameters, for training.
    ///
    /// # Errors
    /// [`CheckpointError`] for an invalid configuration.
    pub fn init(&self, device: &Device) -> Result<Preconditioned<A::Network>, CheckpointError> {
        self.check()?;
        let network = self.network.init(device);
        let network = network.map_err(|source| self.network_error(source))?;
        Ok(Preconditioned::new(
            network,
            self.prediction,
            self.time.clone(),
        ))
    }

    pub(crate) fn check(&self) -> Result<(), CheckpointError> {
        let refused = |source| CheckpointError::Schedule {
            path: CONFIG.into(),
            source,
        };
        self.prediction.check().map_err(refused)?;
        let [input, output] = self.network.channels();
        let both = self.channels.saturating_mul(2);
        if self.channels == 0 || input < self.channels || ![self.channels, both].contains(&output) {
            return Err(CheckpointError::Channels {
                channels: self.channels,
                input,
                output,
            });
        }
        self.check_size(self.size)?;
        self.network.check_time(&self.time)?;
        let Some(sampling) = &self.sampling else {
            return Ok(());
        };
        sampling.prediction.check().map_err(refused)?;
        sampling.clip.check()
    }

    /// Checks that the network takes images of height and width `size`.
    fn check_size(&self, size: [usize; 2]) -> Result<(), CheckpointError> {
        let (patch, least) = (self.network.patch().max(1), self.network.min_side().max(1));
        let fits = |side: usize| side >= least && side.is_multiple_of(patch);
        match size.into_iter().all(fits) {
            true => Ok(()),
            false => Err(CheckpointError::Size { size, patch, least }),
        }
    }

    pub(crate) fn network_error(&self, source: crate::NetworkError) -> CheckpointError {
        CheckpointError::Network {
            path: CONFIG.into(),
            source,
        }
    }
}

impl Model {
    /// Reads a model from a directory or file of any layout that [`Checkpoint`] supports.
    ///
    /// # Errors
    /// [`CheckpointError`] names the file, and every tensor that is missing or misshapen.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        Checkpoint::open(path)?.model(device)
    }
}

impl<A: Architecture> Model<A> {
    /// Creates a model from a configuration and its network.
    ///
    /// Dropout is switched off, also when gradients are tracked.
    ///
    /// # Errors
    /// [`CheckpointError`] if the configuration is invalid or describes another network.
    pub fn new(config: ModelConfig<A>, network: A::Network) -> Result<Self, CheckpointError> {
        config.check()?;
        let described = config.network.init(&Device::default());
        let described = described.map_err(|source| config.network_error(source))?;
        let (expected, found) = (targets(&described), targets(&network));
        if let Some(message) = difference(&expected, &found) {
            return Err(CheckpointError::Described { message });
        }
        let network = network.valid();
        Ok(Self::conditional(config, network, A::Condition::default()))
    }

    fn conditional(config: ModelConfig<A>, network: A::Network, condition: A::Condition) -> Self {
        let network = Preconditioned::new(network, config.prediction, config.time.clone());
        let denoiser = network.with_condition(condition);
        let denoiser = match config.network.channels()[1] == 2 * config.channels {
            true => denoiser.with_learned_variance(),
            false => denoiser,
        };
        Self { config, denoiser }
    }

    /// Reads a model of this architecture, written by [`save`](Self::save).
    ///
    /// [`Model::open`] reads the architectures of this crate, and other layouts.
    ///
    /// # Errors
    /// [`CheckpointError`] names the file, and every tensor that is missing or misshapen.
    pub fn load(directory: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        let own = Own::<A>::open(directory.as_ref())?;
        let network = own.network(device)?;
        Self::new(own.config, network)
    }

    /// Writes `config.json` and the weights to a directory, which is created if missing.
    ///
    /// When overwriting a model, the new weights get another file name. Then `config.json` is
    /// replaced, and the old weights are removed. The directory therefore holds a complete model at
    /// all times.
    ///
    /// # Errors
    /// [`CheckpointError`] if a file cannot be written.
    pub fn save(
        &self,
        directory: impl AsRef<Path>,
        precision: Precision,
    ) -> Result<(), CheckpointError> {
        let directory = directory.as_ref();
        std::fs::create_dir_all(directory).map_err(|source| CheckpointError::File {
            path: directory.into(),
            source,
        })?;
        let path = directory.join(CONFIG);
        let json = |source| CheckpointError::Json {
            path: path.clone(),
            source,
        };
        let before = weights_of(directory);
        let weights = WEIGHTS.into_iter().find(|name| before != Some(name));
        let weights = weights.unwrap_or(WEIGHTS[0]);
        let mut config = serde_json::to_value(&self.config).map_err(json)?;
        if let (Some(config), true) = (config.as_object_mut(), weights != WEIGHTS[0]) {
            config.insert("weights".into(), weights.into());
        }
        export::tensors(self.network(), &Native, precision, &directory.join(weights))?;
        let text = format!("{config:#}\n");
        let file = |path: PathBuf| move |source| CheckpointError::File { path, source };
        replace_file(&path, text.as_bytes()).map_err(file(path.clone()))?;
        match before.map(|before| directory.join(before)) {
            Some(before) => std::fs::remove_file(&before).map_err(file(before.clone())),
            None => Ok(()),
        }
    }

    /// The configuration of the model.
    #[must_use]
    pub fn config(&self) -> &ModelConfig<A> {
        &self.config
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &A::Network {
        self.preconditioned().network()
    }

    /// The network with its prediction type and time input, the starting point of training.
    #[must_use]
    pub fn preconditioned(&self) -> &Preconditioned<A::Network> {
        self.denoiser.network()
    }

    /// Returns the model under a condition, such as a class, a text or a low-resolution image.
    ///
    /// Both models share the parameters.
    ///
    /// # Errors
    /// [`ConditionError`] if a condition is missing, not supported, or of the wrong kind or size.
    pub fn with_condition(&self, condition: A::Condition) -> Result<Self, ConditionError> {
        let (network, channels) = (&self.config.network, self.config.channels);
        network.check_condition(channels, &condition)?;
        Ok(self.conditioned_on(condition))
    }

    /// Like `with_condition`, without checking the condition.
    pub(crate) fn conditioned_on(&self, condition: A::Condition) -> Self {
        let (config, network) = (self.config.clone(), self.network().clone());
        Self::conditional(config, network, condition)
    }

    /// Checks that the network takes images of this shape, ignoring its conditions.
    pub(crate) fn accepts_images(&self, shape: [usize; 4]) -> Result<(), InputError> {
        let [_, channels, h, w] = shape;
        if channels != self.config.channels {
            return Err(InputError::Shape {
                name: "the state",
                found: shape.to_vec(),
                expected: format!("{} channels", self.config.channels),
            });
        }
        let size = self.config.check_size([h, w]);
        size.map_err(|error| InputError::Refused(error.to_string()))
    }

    /// The number of parameters.
    #[must_use]
    pub fn num_params(&self) -> usize {
        self.network().num_params()
    }

    /// The shape of `batch` images: `[batch, channels, height, width]`.
    #[must_use]
    pub fn shape(&self, batch: usize) -> [usize; 4] {
        let [height, width] = self.config.size;
        [batch, self.config.channels, height, width]
    }
}

pub(crate) const CONFIG: &str = "config.json";

/// File names of the weights: the default, and the alternative while the default is in use.
pub(crate) const WEIGHTS: [&str; 2] = ["weights.safetensors", "weights-1.safetensors"];

/// The weights file of the model in `directory`, if there is one.
fn weights_of(directory: &Path) -> Option<&'static str> {
    let text =
        tweedie_core::read_text(directory.join(CONFIG), crate::import::fields::MOST_BYTES).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    config.get("network")?;
    let name = config.get("weights").and_then(serde_json::Value::as_str);
    let known = WEIGHTS
        .into_iter()
        .find(|known| *known == name.unwrap_or(WEIGHTS[0]))?;
    directory.join(known).is_file().then_some(known)
}

/// Describes the first difference between the parameters of two networks.
fn difference(expected: &[Target], found: &[Target]) -> Option<String> {
    if let Some((a, b)) = expected.iter().zip(found).find(|(a, b)| a != b) {
        let of = |target: &Target| format!("{} {:?}", target.path, target.shape);
        return Some(format!("{} instead of {}", of(b), of(a)));
    }
    let (expected, found) = (expected.len(), found.len());
    (expected != found).then(|| format!("{found} parameters instead of {expected}"))
}

impl<A: Architecture> Denoiser<4> for Model<A> {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        Ok(self.estimate(x, level)?.clean)
    }

    fn estimate(&self, x: Tensor<4>, level: Level) -> Result<Posterior<4>, DenoiseError> {
        self.denoiser.estimate(x, level)
    }

    fn supports(&self, level: Level) -> bool {
        self.preconditioned().prediction().determines_clean(level)
    }

    fn accepts(&self, shape: [usize; 4]) -> Result<(), InputError> {
        self.accepts_images(shape)?;
        let network = &self.config.network;
        network.check_condition(self.config.channels, self.denoiser.condition())?;
        self.denoiser.accepts(shape)
    }
}
