//! Recognising the layout of a checkpoint and locating its parts.

use super::checkpoint::{Checkpoint, CheckpointPart, Denoising, Layout, Names};
use super::diffusers::{autoencoder, dit, scheduler, unet};
use super::fields::Fields;
use super::guided_diffusion::FIRST;
use super::own::Own;
use super::stored::Stored;
use super::{CheckpointError, Precision, guided_diffusion};
use crate::AnyArchitecture;
use crate::model::CONFIG;
use std::fs::File;
use std::path::{Path, PathBuf};

impl Checkpoint {
    /// Opens the checkpoint at `path`, a directory or a file.
    ///
    /// # Errors
    /// [`CheckpointError`] if `path` is not a checkpoint, or if a field of its configuration is
    /// unknown or unsupported.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        if path.is_file() {
            return Self::guided_diffusion(path, path);
        }
        let config = path.join(CONFIG);
        // A folder may hold several layouts; that of this library takes precedence.
        if config.is_file() && Fields::open(&config)?.has("network") {
            return Self::native(path);
        }
        if path.join("model_index.json").is_file() {
            return Self::pipeline(path);
        }
        let weights = path.join("model.safetensors");
        if weights.is_file() {
            return Self::guided_diffusion(path, &weights);
        }
        // If the file is missing, the error names it.
        let fields = Fields::open(&config)?;
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
            size: None,
            precision: Precision::Full,
        }
    }

    fn native(path: &Path) -> Result<Self, CheckpointError> {
        let Own {
            config: model,
            weights,
        } = Own::<AnyArchitecture>::open(path)?;
        let mut checkpoint = Self::empty(path, Layout::Tweedie);
        checkpoint.sampling.clone_from(&model.sampling);
        checkpoint.network = Some(CheckpointPart {
            config: Denoising {
                network: model.network.clone(),
                size: Some(model.size),
                names: Names::Native,
                model: Some(Box::new(model)),
            },
            weights,
        });
        Ok(checkpoint)
    }

    fn guided_diffusion(path: &Path, weights: &Path) -> Result<Self, CheckpointError> {
        let stored = Stored::open(weights)?.below(FIRST)?;
        if !guided_diffusion::knows(&stored) {
            return Err(CheckpointError::Unknown {
                path: weights.to_owned(),
                message: "no tensor input_blocks.0.0.weight, by which guided-diffusion is \
                          recognised; a model of diffusers is a directory with config.json"
                    .into(),
            });
        }
        let guided = match guided_diffusion::beside(weights)? {
            Some(fields) => guided_diffusion::read(fields)?,
            None => guided_diffusion::infer(&stored)?,
        };
        let mut checkpoint = Self::empty(path, Layout::GuidedDiffusion);
        checkpoint.sampling.clone_from(&guided.sampling);
        checkpoint.network = Some(CheckpointPart {
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
            if index.holds(part) {
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

    /// Adds one model of diffusers. A `VQModel` is skipped.
    fn diffusers(&mut self, folder: &Path, mut fields: Fields) -> Result<(), CheckpointError> {
        fields.ignore(&AVERAGED);
        let class = fields.text("_class_name").unwrap_or_default().to_owned();
        let weights = weights(folder)?;
        if class == "VQModel" {
            // The network of latents is usable without the decoder to images.
            return Ok(());
        }
        if class == "AutoencoderKL" {
            let (config, _) = autoencoder::read(fields)?;
            self.autoencoder = Some(CheckpointPart { config, weights });
            return Ok(());
        }
        let denoising = |network: AnyArchitecture, size, names| Denoising {
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
        self.network = Some(CheckpointPart { config, weights });
        Ok(())
    }
}

/// Finds the file of a model's tensors.
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

/// File names of weights by preference: full precision before half, safetensors before pickles.
const FILES: [&str; 10] = [
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.bin.index.json",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.safetensors.index.fp16.json",
    "diffusion_pytorch_model.fp16.safetensors.index.json",
    "diffusion_pytorch_model.fp16.bin",
    "diffusion_pytorch_model.bin.index.fp16.json",
    "diffusion_pytorch_model.fp16.bin.index.json",
];

/// Fields that `EMAModel.save_pretrained` adds to a network's configuration.
const AVERAGED: [&str; 8] = [
    "decay",
    "min_decay",
    "optimization_step",
    "update_after_step",
    "use_ema_warmup",
    "inv_gamma",
    "power",
    "foreach",
];
