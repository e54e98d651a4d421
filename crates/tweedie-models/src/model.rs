//! A trained network with all it takes to sample from it.

use crate::import::{Checkpoint, CheckpointError, Native, Precision, export};
use crate::sampling::Sampling;
use crate::{Architecture, Backbone, ConditionError, Conditioned, Conditions};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tweedie_core::{Denoiser, LearnedRange, Posterior, Preconditioned, TimeInput, replace_file};
use tweedie_math::{Level, Prediction};

/// What a model is, apart from its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The network.
    pub network: Architecture,
    /// What its output means.
    pub prediction: Prediction,
    /// How it is told the level.
    pub time: TimeInput,
    /// Height and width of the images it was trained on.
    pub size: [usize; 2],
    /// Channels of the images, without those of a conditioning image. A network with twice as many
    /// outputs has learned the variance of an ancestral step as well.
    pub channels: usize,
    /// How it was meant to be sampled from, if its checkpoint says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// A trained network: a denoiser of images `[batch, channels, height, width]`.
///
/// One directory holds it: `config.json`, the [`ModelConfig`], and `weights.safetensors`. Published
/// checkpoints are read by [`Checkpoint`].
#[derive(Clone, Debug)]
pub struct Model {
    config: ModelConfig,
    denoiser: Kind,
}

/// With learned variance or without.
#[derive(Clone, Debug)]
enum Kind {
    Plain(Preconditioned<Conditioned<Backbone>>),
    Learned(LearnedRange<Conditioned<Backbone>>),
}

impl ModelConfig {
    /// A model of images of `size` with as many channels as the network has inputs.
    #[must_use]
    pub fn new(
        network: impl Into<Architecture>,
        prediction: Prediction,
        time: TimeInput,
        size: [usize; 2],
    ) -> Self {
        let network = network.into();
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

    /// The model with fresh parameters, for training.
    ///
    /// # Errors
    /// [`CheckpointError`] for a configuration that makes no sense.
    pub fn init(&self, device: &Device) -> Result<Preconditioned<Backbone>, CheckpointError> {
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
        self.prediction
            .check()
            .map_err(|source| CheckpointError::Schedule {
                path: CONFIG.into(),
                source,
            })?;
        let [input, output] = self.network.channels();
        let both = self.channels.saturating_mul(2);
        if self.channels == 0 || input < self.channels || ![self.channels, both].contains(&output) {
            return Err(CheckpointError::Channels {
                channels: self.channels,
                input,
                output,
            });
        }
        let ([height, width], patch) = (self.size, self.network.patch().max(1));
        let fits = |side: usize| side > 0 && side.is_multiple_of(patch);
        if fits(height) && fits(width) {
            return Ok(());
        }
        Err(CheckpointError::Size {
            size: self.size,
            patch,
        })
    }

    pub(crate) fn network_error(&self, source: crate::UnetError) -> CheckpointError {
        CheckpointError::Network {
            path: CONFIG.into(),
            source,
        }
    }
}

impl Model {
    /// A model of its parts; dropout is off, also where a gradient flows through the network.
    #[must_use]
    pub fn new(config: ModelConfig, network: Backbone) -> Self {
        Self::conditional(config, network.valid(), Conditions::none())
    }

    fn conditional(config: ModelConfig, network: Backbone, conditions: Conditions) -> Self {
        let network = Conditioned::new(network, conditions);
        let plain = Preconditioned::new(network, config.prediction, config.time.clone());
        let learned = config.network.channels()[1] == 2 * config.channels;
        let denoiser = if learned {
            Kind::Learned(LearnedRange::new(plain))
        } else {
            Kind::Plain(plain)
        };
        Self { config, denoiser }
    }

    /// Reads a model from a directory or file of any layout that [`Checkpoint`] knows.
    ///
    /// # Errors
    /// [`CheckpointError`] names the file, and every tensor that is missing or misshapen.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        Checkpoint::open(path)?.model(device)
    }

    /// Writes the model into a directory, which is made if need be. Each file is written beside
    /// its place and then moved there.
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
        let text = match serde_json::to_vec_pretty(&self.config) {
            Ok(text) => text,
            Err(source) => return Err(CheckpointError::Json { path, source }),
        };
        export::tensors(self.network(), &Native, precision, &directory.join(WEIGHTS))?;
        replace_file(&path, &text).map_err(|source| CheckpointError::File { path, source })
    }

    /// What the model is.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Backbone {
        self.preconditioned().network().network()
    }

    fn preconditioned(&self) -> &Preconditioned<Conditioned<Backbone>> {
        match &self.denoiser {
            Kind::Plain(plain) => plain,
            Kind::Learned(learned) => learned.network(),
        }
    }

    /// The same model, told more than the level: a class, a text, a low-resolution image. It shares
    /// the parameters.
    ///
    /// # Errors
    /// [`ConditionError`] for a condition that is missing, one too many, or of another kind or size.
    pub fn with_conditions(&self, conditions: Conditions) -> Result<Self, ConditionError> {
        self.config
            .network
            .accepts(self.config.channels, &conditions)?;
        Ok(self.told(conditions))
    }

    /// With conditions that the network is known to take.
    pub(crate) fn told(&self, conditions: Conditions) -> Self {
        let (config, network) = (self.config.clone(), self.network().clone());
        Self::conditional(config, network, conditions)
    }

    /// The number of parameters.
    #[must_use]
    pub fn num_params(&self) -> usize {
        self.network().num_params()
    }

    /// `[batch, channels, height, width]` of `batch` images.
    #[must_use]
    pub fn shape(&self, batch: usize) -> [usize; 4] {
        let [height, width] = self.config.size;
        [batch, self.config.channels, height, width]
    }
}

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "weights.safetensors";

impl Denoiser<4> for Model {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Tensor<4> {
        match &self.denoiser {
            Kind::Plain(plain) => plain.denoise(x, level),
            Kind::Learned(learned) => learned.denoise(x, level),
        }
    }

    fn estimate(&self, x: Tensor<4>, level: Level) -> Posterior<4> {
        match &self.denoiser {
            Kind::Plain(plain) => plain.estimate(x, level),
            Kind::Learned(learned) => learned.estimate(x, level),
        }
    }

    fn supports(&self, level: Level) -> bool {
        self.preconditioned().prediction().determines_clean(level)
    }
}
