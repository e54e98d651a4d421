//! A checkpoint in any of the layouts that people have.

use super::diffusers::names::{Diffusers, DiffusersDit, modernised};
use super::fields::Fields;
use super::guided_diffusion::{self, FIRST, GuidedCheckpoint, GuidedDiffusion};
use super::load::load;
use super::place::{Naming, Native};
use super::stored::Stored;
use super::{CheckpointError, Precision};
use crate::sampling::Sampling;
use crate::{
    AnyArchitecture, AnyNetwork, Architecture, Autoencoder, AutoencoderConfig, Latent, Model,
    ModelConfig, NetworkError,
};
use burn::tensor::Device;
use std::path::{Path, PathBuf};

/// A checkpoint whose configuration has been read, and whose weights have been found.
///
/// | layout | recognised by | holds |
/// |---|---|---|
/// | this library's | `config.json` with a `network`, `weights.safetensors` | a model |
/// | diffusers' model | `config.json` with a `_class_name`, `diffusion_pytorch_model.safetensors`, its shards or `.bin` | a network or an autoencoder |
/// | diffusers' pipeline | `model_index.json`, with `unet`, `transformer`, `vae` and `scheduler` beside it or in folders | a model, perhaps of latents |
/// | guided-diffusion | a file `.pt`, `.pth`, `.ckpt`, `.bin` or `.safetensors`, or a directory with `model.safetensors` | a network |
///
/// Weights of guided-diffusion do not say how many heads their attention has. Of the published
/// ImageNet, LSUN and FFHQ networks it is known; for others a JSON file beside the weights `w.pt`,
/// `w.json`, `args.json` or `config.json`, has to hold the arguments of the constructor or of the
/// script that calls it.
///
/// Opening reads no weights. Every tensor is checked before the first is read: one error lists all
/// that are missing, unexpected or misshapen. Pickles are parsed and never run.
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
    pub(super) network: Option<Part<Denoising>>,
    pub(super) autoencoder: Option<Part<AutoencoderConfig>>,
    pub(super) sampling: Option<Sampling>,
    /// Height and width, where the caller says them.
    pub(super) size: Option<[usize; 2]>,
    pub(super) precision: Precision,
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
pub(super) struct Part<C> {
    pub(super) config: C,
    pub(super) weights: PathBuf,
}

/// A denoising network: its architecture, the side of its images, and the names of its tensors.
#[derive(Clone, Debug)]
pub(super) struct Denoising {
    pub(super) network: AnyArchitecture,
    pub(super) size: Option<[usize; 2]>,
    pub(super) names: Names,
    /// All there is to say of a model of this library.
    pub(super) model: Option<Box<ModelConfig>>,
}

#[derive(Clone, Debug)]
pub(super) enum Names {
    Native,
    Diffusers { convolved: bool },
    Dit,
    Guided(Box<GuidedCheckpoint>),
}

impl Checkpoint {
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
    pub fn architecture(&self) -> Option<&AnyArchitecture> {
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

    /// For images of a height and width, of which many networks do not say what they were trained
    /// on.
    #[must_use]
    pub fn with_size(self, size: [usize; 2]) -> Self {
        Self {
            size: Some(size),
            ..self
        }
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
        if self.layout != Layout::GuidedDiffusion {
            return Err(CheckpointError::Unknown {
                path: self.path.clone(),
                message: "not weights of guided-diffusion".into(),
            });
        }
        self.sampling.clone_from(&guided.sampling);
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
    pub fn network(&self, device: &Device) -> Result<AnyNetwork, CheckpointError> {
        let part = self.part(self.network.as_ref(), "a denoising network")?;
        let stored = Stored::open(&part.weights)?;
        let (stored, names): (_, Box<dyn Naming>) = match &part.config.names {
            Names::Native => (stored, Box::new(Native)),
            Names::Diffusers { convolved } => {
                let convolved = *convolved;
                (modern(stored), Box::new(Diffusers { convolved }))
            }
            Names::Dit => (stored, Box::new(DiffusersDit)),
            Names::Guided(guided) => {
                self.heads_known(guided)?;
                let names = GuidedDiffusion::new(guided);
                (stored.below(FIRST)?, Box::new(names))
            }
        };
        stored.may_hold(part.config.network.parts())?;
        let network = part.config.network.init(device);
        let network = network.map_err(|source| self.network_error(source))?;
        load(network, &stored, &*names, self.precision)
    }

    /// The autoencoder with its weights.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint without one, or with other tensors.
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

    /// The model: the network, with what its output means and how it is told the level. Without a
    /// scheduler these are DDPM's: noise, and the index of the linear chain of 1000 steps, or of as
    /// many as the network has rows in a table; for NCSN++ the score, and the noise level.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint without a network, or with other tensors.
    pub fn model(&self, device: &Device) -> Result<Model, CheckpointError> {
        let config = self.model_config()?;
        Model::new(config, self.network(device)?)
    }

    /// What [`model`](Self::model) would be, without its weights.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint without a network, or whose network does not say the
    /// size of its images: [`with_size`](Self::with_size).
    pub fn model_config(&self) -> Result<ModelConfig, CheckpointError> {
        let part = self.part(self.network.as_ref(), "a denoising network")?;
        if let Some(model) = &part.config.model {
            let mut model = (**model).clone();
            model.size = self.size.unwrap_or(model.size);
            // Another sampling than its own was given.
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
        if let Names::Guided(guided) = &part.config.names {
            self.heads_known(guided)?;
        }
        let [input, output] = part.config.network.channels();
        // A network without twice its inputs as outputs has learned no variance, as in the peer.
        let learned = output == input.saturating_mul(2);
        let sampling = match &self.sampling {
            Some(sampling) => sampling.clone(),
            None => {
                let usual = part.config.network.usual_sampling();
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

    /// The latent diffusion model of a pipeline with an autoencoder.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint that lacks a part, or with other tensors.
    pub fn latent(&self, device: &Device) -> Result<Latent<Model>, CheckpointError> {
        Ok(Latent::new(self.autoencoder(device)?, self.model(device)?))
    }

    /// That the heads of the attention are known: the same weights fit any number of them.
    fn heads_known(&self, guided: &GuidedCheckpoint) -> Result<(), CheckpointError> {
        if guided.heads {
            return Ok(());
        }
        Err(CheckpointError::Unknown {
            path: self.path.clone(),
            message: "the heads of its attention do not follow from the weights: write the \
                      arguments of its constructor, with num_heads or num_head_channels, to \
                      config.json beside them"
                .into(),
        })
    }

    fn network_error(&self, source: NetworkError) -> CheckpointError {
        CheckpointError::Network {
            path: self.path.clone(),
            source,
        }
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

/// The tensors by the names that they have now.
fn modern(stored: Stored) -> Stored {
    stored.renamed(|name| Some(modernised(name)))
}
