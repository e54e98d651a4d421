//! A checkpoint in any of the layouts that people have.

use super::diffusers::names::{Diffusers, DiffusersDit, modernised};
use super::diffusers::{autoencoder, dit, scheduler, unet};
use super::fields::Fields;
use super::guided_diffusion::{self, Guided, GuidedDiffusion};
use super::load::load;
use super::place::{Naming, Native};
use super::stored::Stored;
use super::{CheckpointError, Precision};
use crate::model::{CONFIG, WEIGHTS};
use crate::sampling::{Clip, Grid, Sampling};
use crate::{
    Architecture, Autoencoder, AutoencoderConfig, Backbone, Latent, Model, ModelConfig, UnetConfig,
};
use burn::module::Module;
use burn::tensor::Device;
use std::fs::File;
use std::path::{Path, PathBuf};
use tweedie_core::TimeInput;
use tweedie_math::{Chain, Prediction, Spacing};

/// A checkpoint whose configuration has been read, and whose weights have been found.
///
/// | layout | recognised by | holds |
/// |---|---|---|
/// | this library's | `config.json` with a `network`, `weights.safetensors` | a model |
/// | diffusers' model | `config.json` with a `_class_name`, `diffusion_pytorch_model.safetensors`, its shards or `.bin` | a network or an autoencoder |
/// | diffusers' pipeline | `model_index.json`, with `unet`, `transformer`, `vae` and `scheduler` beside it or in folders | a model, perhaps of latents |
/// | guided-diffusion | a file `.pt`, `.pth`, `.ckpt`, `.bin` or `.safetensors`, or a directory with `model.safetensors` | a network |
///
/// Opening reads no weights. Every tensor is checked before the first is read: one error lists all
/// that are missing, unexpected or misshapen. Pickles are parsed and never run.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_models::{Checkpoint, Layout};
///
/// let checkpoint = Checkpoint::open("../../golden/data/models/unet_ddpm")?;
/// assert_eq!(checkpoint.layout(), Layout::Diffusers);
/// let model = checkpoint.model(&Device::flex())?;
/// assert_eq!(model.shape(1), [1, 3, 16, 16]);
/// # Ok::<(), tweedie_models::CheckpointError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    layout: Layout,
    network: Option<Part<Denoising>>,
    autoencoder: Option<Part<AutoencoderConfig>>,
    sampling: Option<Sampling>,
    precision: Precision,
}

/// How a checkpoint is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// This library's.
    Tweedie,
    /// A model of diffusers.
    Diffusers,
    /// A pipeline of diffusers.
    Pipeline,
    /// The weights of guided-diffusion.
    GuidedDiffusion,
}

/// A part with the file of its tensors.
#[derive(Clone, Debug)]
struct Part<C> {
    config: C,
    weights: PathBuf,
}

/// A denoising network: its architecture, the side of its images, and the names of its tensors.
#[derive(Clone, Debug)]
struct Denoising {
    network: Architecture,
    size: Option<[usize; 2]>,
    names: Names,
    /// All there is to say of a model of this library.
    model: Option<Box<ModelConfig>>,
}

#[derive(Clone, Debug)]
enum Names {
    Native,
    Diffusers { convolved: bool },
    Dit,
    Guided(Box<Guided>),
}

impl Checkpoint {
    /// Finds out what lies at `path`, a directory or a file.
    ///
    /// # Errors
    /// [`CheckpointError`] for what is not a checkpoint, or has a configuration that this library
    /// does not know to the last field.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        if path.is_file() {
            return Self::guided_diffusion(path, path);
        }
        if path.join("model_index.json").is_file() {
            return Self::pipeline(path);
        }
        let config = path.join(CONFIG);
        let weights = path.join("model.safetensors");
        if weights.is_file() {
            return Self::guided_diffusion(path, &weights);
        }
        // The error of a missing file names it.
        let fields = Fields::open(&config)?;
        if fields.has("network") {
            return Self::native(path, &config);
        }
        let mut checkpoint = Self::empty(path, Layout::Diffusers);
        checkpoint.diffusers(path, fields)?;
        let beside = path.join("scheduler_config.json");
        if beside.is_file() {
            checkpoint.sampling = Some(scheduler::read(Fields::open(&beside)?)?);
        }
        Ok(checkpoint)
    }

    fn empty(path: &Path, layout: Layout) -> Self {
        Self {
            path: path.to_owned(),
            layout,
            network: None,
            autoencoder: None,
            sampling: None,
            precision: Precision::Full,
        }
    }

    fn native(path: &Path, config: &Path) -> Result<Self, CheckpointError> {
        let file = |source| CheckpointError::File {
            path: config.to_owned(),
            source,
        };
        let text = std::fs::read(config).map_err(file)?;
        let model: ModelConfig =
            serde_json::from_slice(&text).map_err(|source| CheckpointError::Json {
                path: config.to_owned(),
                source,
            })?;
        model.check()?;
        let mut checkpoint = Self::empty(path, Layout::Tweedie);
        checkpoint.sampling = model.sampling.clone();
        checkpoint.network = Some(Part {
            config: Denoising {
                network: model.network.clone(),
                size: Some(model.size),
                names: Names::Native,
                model: Some(Box::new(model)),
            },
            weights: path.join(WEIGHTS),
        });
        Ok(checkpoint)
    }

    fn guided_diffusion(path: &Path, weights: &Path) -> Result<Self, CheckpointError> {
        let stored = guided_tensors(weights)?;
        if !guided_diffusion::knows(&stored) {
            return Err(CheckpointError::Unknown {
                path: weights.to_owned(),
                message: "no tensor input_blocks.0.0.weight, by which guided-diffusion is \
                          recognised; a model of diffusers is a directory with config.json"
                    .into(),
            });
        }
        let guided = match guided_diffusion::beside(weights) {
            Some(config) => guided_diffusion::read(Fields::open(&config)?)?,
            None => guided_diffusion::infer(&stored)?,
        };
        let mut checkpoint = Self::empty(path, Layout::GuidedDiffusion);
        checkpoint.network = Some(Part {
            config: Denoising {
                network: guided.network.clone().into(),
                size: guided.size.map(|side| [side, side]),
                names: Names::Guided(Box::new(guided)),
                model: None,
            },
            weights: weights.to_owned(),
        });
        Ok(checkpoint)
    }

    fn pipeline(path: &Path) -> Result<Self, CheckpointError> {
        let index = Fields::open(&path.join("model_index.json"))?;
        let mut checkpoint = Self::empty(path, Layout::Pipeline);
        for part in ["unet", "transformer", "vae", "vqvae"] {
            if index.has(part) {
                // Old pipelines keep all their parts in one folder.
                let folder = path.join(part);
                let folder = if folder.is_dir() {
                    folder
                } else {
                    path.to_owned()
                };
                checkpoint.diffusers(&folder, Fields::open(&folder.join(CONFIG))?)?;
            }
        }
        let scheduler = path.join("scheduler").join("scheduler_config.json");
        let beside = path.join("scheduler_config.json");
        if let Some(config) = [scheduler, beside].iter().find(|config| config.is_file()) {
            checkpoint.sampling = Some(scheduler::read(Fields::open(config)?)?);
        }
        if checkpoint.network.is_none() {
            return Err(index.wrong("unet", "a pipeline without a unet or a transformer"));
        }
        Ok(checkpoint)
    }

    /// Takes up one model of diffusers.
    fn diffusers(&mut self, folder: &Path, fields: Fields) -> Result<(), CheckpointError> {
        let class = fields.text("_class_name").unwrap_or_default().to_owned();
        let weights = weights(folder)?;
        if class == "AutoencoderKL" {
            let (config, _) = autoencoder::read(fields)?;
            self.autoencoder = Some(Part { config, weights });
            return Ok(());
        }
        let denoising = |network: Architecture, size, names| Denoising {
            network,
            size,
            names,
            model: None,
        };
        let config = match class.as_str() {
            "UNet2DModel" => {
                let published = unet::plain(fields)?;
                let convolved = published.convolved;
                let names = Names::Diffusers { convolved };
                denoising(published.network.into(), published.size, names)
            }
            "UNet2DConditionModel" => {
                let published = unet::conditional(fields)?;
                let convolved = published.convolved;
                let names = Names::Diffusers { convolved };
                denoising(published.network.into(), published.size, names)
            }
            "DiTTransformer2DModel" | "Transformer2DModel" => {
                let (config, side) = dit::read(fields)?;
                denoising(config.into(), Some([side, side]), Names::Dit)
            }
            other => {
                let known = "UNet2DModel, UNet2DConditionModel, DiTTransformer2DModel or \
                             AutoencoderKL";
                return Err(fields.wrong("_class_name", format!("{other:?} is not {known}")));
            }
        };
        self.network = Some(Part { config, weights });
        Ok(())
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is laid out.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What its denoising network is made of, if it has one.
    #[must_use]
    pub fn network(&self) -> Option<&Architecture> {
        self.network.as_ref().map(|part| &part.config.network)
    }

    /// What its autoencoder is made of, if it has one.
    #[must_use]
    pub fn autoencoder_config(&self) -> Option<&AutoencoderConfig> {
        self.autoencoder.as_ref().map(|part| &part.config)
    }

    /// What its scheduler says, if it has one.
    #[must_use]
    pub fn sampling(&self) -> Option<&Sampling> {
        self.sampling.as_ref()
    }

    /// With weights as they are stored, or in 16 bits; 32 bits otherwise.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// With another scheduler's settings than the checkpoint's own.
    #[must_use]
    pub fn with_sampling(self, sampling: Sampling) -> Self {
        Self {
            sampling: Some(sampling),
            ..self
        }
    }

    /// With another configuration than names and shapes imply, for weights of guided-diffusion.
    ///
    /// # Errors
    /// [`CheckpointError`] for arguments that its constructor does not have.
    pub fn with_guided_config(
        mut self,
        arguments: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, CheckpointError> {
        let guided = guided_diffusion::read(Fields::new(&self.path, arguments))?;
        if let Some(part) = &mut self.network {
            part.config.network = guided.network.clone().into();
            part.config.size = guided.size.map(|side| [side, side]);
            part.config.names = Names::Guided(Box::new(guided));
        }
        Ok(self)
    }

    /// The denoising network with its weights.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint without one, or with other tensors.
    pub fn backbone(&self, device: &Device) -> Result<Backbone, CheckpointError> {
        let part = self.part(self.network.as_ref(), "a denoising network")?;
        let network = part.config.network.init(device);
        let network = network.map_err(|source| CheckpointError::Network {
            path: self.path.clone(),
            source,
        })?;
        match &part.config.names {
            Names::Native => self.load(network, &part.weights, &Native),
            Names::Diffusers { convolved } => {
                let names = Diffusers {
                    convolved: *convolved,
                };
                self.load(network, &part.weights, &names)
            }
            Names::Dit => self.load(network, &part.weights, &DiffusersDit),
            Names::Guided(guided) => {
                let stored = guided_tensors(&part.weights)?;
                load(
                    network,
                    &stored,
                    &GuidedDiffusion::new(guided),
                    self.precision,
                )
            }
        }
    }

    /// The autoencoder with its weights.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint without one, or with other tensors.
    pub fn autoencoder(&self, device: &Device) -> Result<Autoencoder, CheckpointError> {
        let part = self.part(self.autoencoder.as_ref(), "an autoencoder")?;
        let network = part.config.init(device);
        let network = network.map_err(|source| CheckpointError::Network {
            path: self.path.clone(),
            source,
        })?;
        self.load(network, &part.weights, &Diffusers { convolved: false })
    }

    /// The model: the network, with what its output means and how it is told the level. Without a
    /// scheduler these are DDPM's: noise, and the index of the linear chain of 1000 steps.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint without a network, or with other tensors.
    pub fn model(&self, device: &Device) -> Result<Model, CheckpointError> {
        let config = self.model_config()?;
        Ok(Model::new(config, self.backbone(device)?))
    }

    /// What [`model`](Self::model) would be, without its weights.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint without a network.
    pub fn model_config(&self) -> Result<ModelConfig, CheckpointError> {
        let part = self.part(self.network.as_ref(), "a denoising network")?;
        if let Some(model) = &part.config.model {
            return Ok((**model).clone());
        }
        let sampling = match &self.sampling {
            Some(sampling) => sampling.clone(),
            None => ddpm(&part.config.network).map_err(|source| CheckpointError::Schedule {
                path: self.path.clone(),
                source,
            })?,
        };
        let [input, output] = part.config.network.channels();
        let learned = sampling.learned_variance || output == 2 * input;
        let config = ModelConfig {
            network: part.config.network.clone(),
            prediction: sampling.prediction,
            time: sampling.time.clone(),
            size: part.config.size.unwrap_or(match &part.config.names {
                Names::Guided(_) => [256, 256],
                _ => [64, 64],
            }),
            channels: if learned { output / 2 } else { output },
            sampling: Some(sampling),
        };
        config.check()?;
        Ok(config)
    }

    /// The latent diffusion model of a pipeline with an autoencoder.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint that lacks a part, or with other tensors.
    pub fn latent(&self, device: &Device) -> Result<Latent<Model>, CheckpointError> {
        Ok(Latent::new(self.autoencoder(device)?, self.model(device)?))
    }

    fn load<M: Module>(
        &self,
        network: M,
        weights: &Path,
        layout: &dyn Naming,
    ) -> Result<M, CheckpointError> {
        let stored = Stored::open(weights)?.renamed(|name| Some(modernised(name)));
        load(network, &stored, layout, self.precision)
    }

    fn part<'a, C>(
        &self,
        part: Option<&'a Part<C>>,
        what: &str,
    ) -> Result<&'a Part<C>, CheckpointError> {
        part.ok_or_else(|| CheckpointError::Unknown {
            path: self.path.clone(),
            message: format!("a checkpoint without {what}"),
        })
    }
}

/// Tensors of guided-diffusion, which may lie in a dictionary among others.
fn guided_tensors(weights: &Path) -> Result<Stored, CheckpointError> {
    let stored = Stored::open(weights)?;
    let first = "input_blocks.0.0.weight";
    let prefix = stored
        .tensors
        .keys()
        .find_map(|name| name.strip_suffix(first));
    let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()).map(String::from) else {
        return Ok(stored);
    };
    Ok(stored.renamed(|name| name.strip_prefix(&prefix).map(String::from)))
}

/// The file of a model's tensors.
fn weights(folder: &Path) -> Result<PathBuf, CheckpointError> {
    let found = FILES
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        let path = folder.join(FILES[0]);
        match File::open(&path) {
            Err(source) => CheckpointError::File { path, source },
            Ok(_) => CheckpointError::Unknown {
                path,
                message: "not a file".into(),
            },
        }
    })
}

/// Names of weights, the best first.
const FILES: [&str; 5] = [
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.bin",
];

/// DDPM's: noise, told by the index of the linear chain.
fn ddpm(network: &Architecture) -> Result<Sampling, tweedie_math::ScheduleError> {
    let scores = |config: &UnetConfig| config.divide_by_condition;
    let exploding = matches!(network, Architecture::Unet(config) if scores(config));
    if exploding {
        return Ok(Sampling {
            prediction: Prediction::ScaledScore,
            time: TimeInput::NoiseLevel,
            grid: Grid::Exploding {
                schedule: tweedie_math::VarianceExploding::default(),
                rho: None,
            },
            clip: Clip::None,
            learned_variance: false,
        });
    }
    let chain = Chain::linear(1000, 1e-4, 0.02)?;
    Ok(Sampling {
        prediction: Prediction::Noise,
        time: TimeInput::Index(chain.clone()),
        grid: Grid::Chain {
            chain,
            spacing: Spacing::Leading { offset: 0 },
        },
        clip: Clip::Static { range: 1.0 },
        learned_variance: false,
    })
}
