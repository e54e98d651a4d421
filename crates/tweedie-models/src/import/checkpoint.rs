//! Checkpoints in all supported layouts.

use super::diffusers::names::{Diffusers, modern};
use super::load::load;
use super::place::Naming;
use super::stored::Stored;
use super::{CheckpointError, Layout, Precision};
use crate::sampling::Sampling;
use crate::{
    AnyArchitecture, AnyNetwork, Architecture, Autoencoder, AutoencoderConfig, Latent, Model,
    ModelConfig, NetworkError,
};
use burn::tensor::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A checkpoint whose configuration has been read and whose weights have been located.
///
/// | layout | recognised by | holds |
/// |---|---|---|
/// | this library's | `config.json` with a `network`, `weights.safetensors` | a model |
/// | diffusers' model | `config.json` with a `_class_name`, `diffusion_pytorch_model.safetensors`, its shards or `.bin` | a network or an autoencoder |
/// | diffusers' pipeline | `model_index.json`, with `unet`, `transformer`, `vae` and `scheduler` in the same folder or in subfolders | a model, possibly of latents |
/// | guided-diffusion | a file `.pt`, `.pth`, `.ckpt`, `.bin` or `.safetensors`, or a directory with `model.safetensors` | a network |
///
/// Weights of guided-diffusion do not determine the number of attention heads, which is known for
/// the published ImageNet, LSUN and FFHQ networks. For others, a JSON file next to the weights
/// `w.pt` has to hold the arguments of the constructor or of the script that calls it. The file is
/// `w.json`, `args.json` or `config.json`.
///
/// Opening reads no weights. Every tensor is checked before the first is read, and one error lists
/// all that are missing, unexpected or misshapen. Pickles are parsed and never executed.
///
/// ```
/// use burn::tensor::Device;
/// use tweedie_models::{Checkpoint, Layout};
///
/// let checkpoint = Checkpoint::open("../../tests/golden/data/models/unet_ddpm")?;
/// assert_eq!(checkpoint.layout(), Layout::Diffusers);
/// let model = checkpoint.model(&Device::flex())?;
/// assert_eq!(model.shape(1), [1, 3, 16, 16]);
/// # Ok::<(), tweedie_models::CheckpointError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub(super) path: PathBuf,
    pub(super) layout: Layout,
    pub(super) network: Option<CheckpointPart<Denoising>>,
    pub(super) autoencoder: Option<CheckpointPart<AutoencoderConfig>>,
    pub(super) sampling: Option<Sampling>,
    /// Height and width, if the caller set them.
    pub(super) size: Option<[usize; 2]>,
    pub(super) precision: Precision,
}

/// The configuration of a part, and the file of its tensors.
#[derive(Clone, Debug)]
pub(super) struct CheckpointPart<C> {
    pub(super) config: C,
    pub(super) weights: PathBuf,
}

/// A denoising network: its architecture, the size of its images, and the names of its tensors.
#[derive(Clone, Debug)]
pub(super) struct Denoising {
    pub(super) network: AnyArchitecture,
    pub(super) size: Option<[usize; 2]>,
    names: Arc<dyn Naming + Send + Sync>,
    /// Selects and renames the tensors of the file.
    select: fn(Stored) -> Result<Stored, CheckpointError>,
    /// What neither the weights nor a configuration determine, if anything.
    pub(super) undetermined: Option<&'static str>,
    /// The whole configuration, for a model in the layout of this library.
    pub(super) model: Option<Box<ModelConfig>>,
}

impl Denoising {
    pub(super) fn new(
        network: AnyArchitecture,
        size: Option<[usize; 2]>,
        names: impl Naming + Send + Sync + 'static,
    ) -> Self {
        Self {
            network,
            size,
            names: Arc::new(names),
            select: Ok,
            undetermined: None,
            model: None,
        }
    }

    /// Sets how the tensors of the file are selected and renamed.
    pub(super) fn selecting(self, select: fn(Stored) -> Result<Stored, CheckpointError>) -> Self {
        Self { select, ..self }
    }
}

impl Checkpoint {
    pub(super) fn empty(path: &Path, layout: Layout) -> Self {
        Self {
            path: path.to_owned(),
            layout,
            network: None,
            autoencoder: None,
            sampling: None,
            size: None,
            precision: Precision::Full,
        }
    }

    /// The path of the checkpoint.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The layout of the checkpoint.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The configuration of the denoising network, if there is one.
    #[must_use]
    pub fn architecture(&self) -> Option<&AnyArchitecture> {
        self.network.as_ref().map(|part| &part.config.network)
    }

    /// The configuration of the autoencoder, if there is one.
    #[must_use]
    pub fn autoencoder_config(&self) -> Option<&AutoencoderConfig> {
        self.autoencoder.as_ref().map(|part| &part.config)
    }

    /// The settings of the scheduler, if there is one.
    #[must_use]
    pub fn sampling(&self) -> Option<&Sampling> {
        self.sampling.as_ref()
    }

    /// Sets the precision of the loaded weights; the default is 32 bits.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Sets the height and width of the images, which many checkpoints do not record.
    #[must_use]
    pub fn with_size(self, size: [usize; 2]) -> Self {
        Self {
            size: Some(size),
            ..self
        }
    }

    /// Replaces the scheduler settings of the checkpoint.
    #[must_use]
    pub fn with_sampling(self, sampling: Sampling) -> Self {
        Self {
            sampling: Some(sampling),
            ..self
        }
    }

    /// Loads the denoising network.
    ///
    /// # Errors
    /// [`CheckpointError`] if the checkpoint has none, or if its tensors do not match.
    pub fn network(&self, device: &Device) -> Result<AnyNetwork, CheckpointError> {
        let part = self.part(self.network.as_ref(), "a denoising network")?;
        self.determined(&part.config)?;
        let stored = (part.config.select)(Stored::open(&part.weights)?)?;
        stored.may_hold(part.config.network.min_tensors())?;
        let network = part.config.network.init(device);
        let network = network.map_err(|source| self.network_error(source))?;
        load(network, &stored, &*part.config.names, self.precision)
    }

    /// Loads the autoencoder.
    ///
    /// # Errors
    /// [`CheckpointError`] if the checkpoint has none, or if its tensors do not match.
    pub fn autoencoder(&self, device: &Device) -> Result<Autoencoder, CheckpointError> {
        let part = self.part(self.autoencoder.as_ref(), "an autoencoder")?;
        let stored = modern(Stored::open(&part.weights)?);
        let blocks = part.config.blocks.saturating_mul(part.config.widths.len());
        stored.may_hold(blocks)?;
        let network = part.config.init(device);
        let network = network.map_err(|source| self.network_error(source))?;
        let names = Diffusers { convolved: false };
        load(network, &stored, &names, self.precision)
    }

    /// Loads the model: the network with its prediction type and time input.
    ///
    /// Without a scheduler, the settings are DDPM's: noise prediction, with the index of the linear
    /// chain as time input. The chain has 1000 steps, or as many as the network's table of steps
    /// has rows. NCSN++ predicts the score and takes the noise level.
    ///
    /// # Errors
    /// [`CheckpointError`] as for [`model_config`](Self::model_config), or if the tensors do not
    /// match.
    pub fn model(&self, device: &Device) -> Result<Model, CheckpointError> {
        let config = self.model_config()?;
        Model::new(config, self.network(device)?)
    }

    /// The configuration of [`model`](Self::model), without loading the weights.
    ///
    /// # Errors
    /// [`CheckpointError`] if the checkpoint has no network, or does not record the size of its
    /// images; [`with_size`](Self::with_size) sets the size.
    pub fn model_config(&self) -> Result<ModelConfig, CheckpointError> {
        let part = self.part(self.network.as_ref(), "a denoising network")?;
        if let Some(model) = &part.config.model {
            let mut model = (**model).clone();
            model.size = self.size.unwrap_or(model.size);
            // The caller replaced the sampling settings.
            if let Some(sampling) = self
                .sampling
                .clone()
                .filter(|_| self.sampling != model.sampling)
            {
                (model.prediction, model.time) = (sampling.prediction, sampling.time.clone());
                model.sampling = Some(sampling);
            }
            model.check()?;
            return Ok(model);
        }
        self.determined(&part.config)?;
        let [input, output] = part.config.network.channels();
        // As in diffusers, a variance is learned only if there are twice as many outputs as inputs.
        let learned = output == input.saturating_mul(2);
        let sampling = match &self.sampling {
            Some(sampling) => sampling.clone(),
            None => {
                let usual = part.config.network.default_sampling();
                let usual = usual.map_err(|source| CheckpointError::Schedule {
                    path: self.path.clone(),
                    source,
                })?;
                Sampling {
                    learned_variance: learned,
                    ..usual
                }
            }
        };
        let size = self.size.or(part.config.size);
        let size = size.ok_or_else(|| CheckpointError::NoSize {
            path: self.path.clone(),
        })?;
        let config = ModelConfig {
            network: part.config.network.clone(),
            prediction: sampling.prediction,
            time: sampling.time.clone(),
            size,
            channels: if learned { output / 2 } else { output },
            sampling: Some(sampling),
        };
        config.check()?;
        Ok(config)
    }

    /// Loads the latent diffusion model of a pipeline with an autoencoder.
    ///
    /// # Errors
    /// [`CheckpointError`] if the checkpoint lacks a part, or if its tensors do not match.
    pub fn latent(&self, device: &Device) -> Result<Latent<Model>, CheckpointError> {
        Ok(Latent::new(self.autoencoder(device)?, self.model(device)?))
    }

    /// Checks that the files determine the network.
    fn determined(&self, config: &Denoising) -> Result<(), CheckpointError> {
        match config.undetermined {
            None => Ok(()),
            Some(message) => Err(CheckpointError::Unknown {
                path: self.path.clone(),
                message: message.into(),
            }),
        }
    }

    fn network_error(&self, source: NetworkError) -> CheckpointError {
        CheckpointError::Network {
            path: self.path.clone(),
            source,
        }
    }

    fn part<'a, C>(
        &self,
        part: Option<&'a CheckpointPart<C>>,
        what: &str,
    ) -> Result<&'a CheckpointPart<C>, CheckpointError> {
        part.ok_or_else(|| CheckpointError::Unknown {
            path: self.path.clone(),
            message: format!("a checkpoint without {what}"),
        })
    }
}
