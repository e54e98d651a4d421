//! A trained network with all it takes to sample from it.

use crate::architecture::named;
use crate::import::place::{Target, targets};
use crate::import::{Checkpoint, CheckpointError, Native, Own, Precision, export};
use crate::sampling::Sampling;
use crate::{AnyArchitecture, Architecture};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tweedie_core::{
    ConditionError, Conditioned, DenoiseError, Denoiser, InputError, Posterior, Preconditioned,
    TimeInput, replace_file,
};
use tweedie_math::{Level, Prediction};

/// What a model is, apart from its weights. `A` is the network's configuration: one of this crate,
/// or [of your own](Architecture).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "A: Architecture")]
#[non_exhaustive]
pub struct ModelConfig<A: Architecture = AnyArchitecture> {
    /// The network.
    #[serde(with = "named")]
    pub network: A,
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
pub struct Model<A: Architecture = AnyArchitecture> {
    config: ModelConfig<A>,
    denoiser: Conditioned<A::Network, A::Condition>,
    /// The precision of its parameters, if they are there.
    dtype: Option<DType>,
}

impl<A: Architecture> ModelConfig<A> {
    /// A model of images of `size` with as many channels as the network has inputs.
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

    /// The model with fresh parameters, for training.
    ///
    /// # Errors
    /// [`CheckpointError`] for a configuration that makes no sense.
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

    /// `Ok` for images of a height and width that the network takes.
    fn check_size(&self, size: [usize; 2]) -> Result<(), CheckpointError> {
        let (patch, least) = (
            self.network.patch().max(1),
            self.network.least_side().max(1),
        );
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
    /// Reads a model from a directory or file of any layout that [`Checkpoint`] knows.
    ///
    /// # Errors
    /// [`CheckpointError`] names the file, and every tensor that is missing or misshapen.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        Checkpoint::open(path)?.model(device)
    }
}

impl<A: Architecture> Model<A> {
    /// A model of its parts; dropout is off, also where a gradient flows through the network.
    ///
    /// # Errors
    /// [`CheckpointError`] for a configuration that makes no sense, or that describes another
    /// network.
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
        let dtype = precision(&network);
        let network = Preconditioned::new(network, config.prediction, config.time.clone());
        let denoiser = network.with_condition(condition);
        let denoiser = match config.network.channels()[1] == 2 * config.channels {
            true => denoiser.with_learned_variance(),
            false => denoiser,
        };
        Self {
            config,
            denoiser,
            dtype,
        }
    }

    /// Reads what [`save`](Self::save) wrote of a model of this architecture. [`Model::open`] reads
    /// those of this crate, and other layouts.
    ///
    /// # Errors
    /// [`CheckpointError`] names the file, and every tensor that is missing or misshapen.
    pub fn load(directory: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        let own = Own::<A>::open(directory.as_ref())?;
        let network = own.network(device)?;
        Self::new(own.config, network)
    }

    /// Writes the model into a directory, which is made if need be: `config.json`, and the weights
    /// in a file that it names. Over another model, the weights get another name, then
    /// `config.json` is replaced, then the old weights are removed: the directory holds one whole
    /// model at any time.
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

    /// What the model is.
    #[must_use]
    pub fn config(&self) -> &ModelConfig<A> {
        &self.config
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &A::Network {
        self.preconditioned().network()
    }

    /// The network with what its output means and how it is told the level: what a run of training
    /// begins from.
    #[must_use]
    pub fn preconditioned(&self) -> &Preconditioned<A::Network> {
        self.denoiser.network()
    }

    /// The same model, told more than the level: a class, a text, a low-resolution image. It shares
    /// the parameters.
    ///
    /// # Errors
    /// [`ConditionError`] for a condition that is missing, one too many, or of another kind or
    /// size.
    pub fn with_condition(&self, condition: A::Condition) -> Result<Self, ConditionError> {
        let (network, channels) = (&self.config.network, self.config.channels);
        network.check_condition(channels, &condition)?;
        Ok(self.told(condition))
    }

    /// With a condition that the network is known to take.
    pub(crate) fn told(&self, condition: A::Condition) -> Self {
        let (config, network) = (self.config.clone(), self.network().clone());
        Self::conditional(config, network, condition)
    }

    /// Whether the network takes images of this shape, apart from its conditions.
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

    /// `[batch, channels, height, width]` of `batch` images.
    #[must_use]
    pub fn shape(&self, batch: usize) -> [usize; 4] {
        let [height, width] = self.config.size;
        [batch, self.config.channels, height, width]
    }
}

pub(crate) const CONFIG: &str = "config.json";

/// Names of the weights: of the first model in a folder, and of one over another.
pub(crate) const WEIGHTS: [&str; 2] = ["weights.safetensors", "weights-1.safetensors"];

/// Which file of weights a model in `directory` has, if one is there.
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

/// What two networks differ in first.
fn difference(expected: &[Target], found: &[Target]) -> Option<String> {
    if let Some((a, b)) = expected.iter().zip(found).find(|(a, b)| a != b) {
        let of = |target: &Target| format!("{} {:?}", target.path, target.shape);
        return Some(format!("{} instead of {}", of(b), of(a)));
    }
    let (expected, found) = (expected.len(), found.len());
    (expected != found).then(|| format!("{found} parameters instead of {expected}"))
}

/// The precision of a network's parameters; `None` before they are drawn.
fn precision<M: Module>(network: &M) -> Option<DType> {
    struct First(Option<DType>);
    impl ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.0.is_none() && param.is_initialized() {
                self.0 = Some(param.val().dtype());
            }
        }
    }
    let mut first = First(None);
    network.visit(&mut first);
    first.0
}

impl<A: Architecture> Denoiser<4> for Model<A> {
    /// The network runs in the precision of its parameters, whatever that of `x` is.
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        Ok(self.estimate(x, level)?.clean)
    }

    fn estimate(&self, x: Tensor<4>, level: Level) -> Result<Posterior<4>, DenoiseError> {
        let asked = x.dtype();
        let x = x.cast(self.dtype.unwrap_or(asked));
        let estimate = self.denoiser.estimate(x, level)?;
        Ok(Posterior {
            clean: estimate.clean.cast(asked),
            interpolation: estimate.interpolation.map(|place| place.cast(asked)),
        })
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
