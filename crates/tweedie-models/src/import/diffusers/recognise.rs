//! Recognising models and pipelines of diffusers.

use super::names::{Diffusers, DiffusersDit, modern};
use super::{autoencoder, dit, scheduler, unet};
use crate::import::checkpoint::{Checkpoint, CheckpointPart, Denoising};
use crate::import::fields::Fields;
use crate::import::{CheckpointError, Layout};
use crate::model::CONFIG;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Opens a model.
pub(crate) fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let fields = Fields::open(&path.join(CONFIG))?;
    let mut checkpoint = Checkpoint::empty(path, Layout::Diffusers);
    add(&mut checkpoint, path, fields)?;
    let beside = path.join("scheduler_config.json");
    if beside.is_file() {
        checkpoint.sampling = Some(scheduler::read(Fields::open(&beside)?)?);
    }
    Ok(checkpoint)
}

/// Opens a pipeline, with its parts in one folder or in several.
pub(crate) fn recognise_pipeline(path: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
    let index = path.join("model_index.json");
    if !index.is_file() {
        return Ok(None);
    }
    let index = Fields::open(&index)?;
    let mut checkpoint = Checkpoint::empty(path, Layout::Pipeline);
    for part in ["unet", "transformer", "vae", "vqvae"] {
        if index.holds(part) {
            // Old pipelines keep all their parts in one folder.
            let folder = Some(path.join(part)).filter(|folder| folder.is_dir());
            let folder = folder.unwrap_or_else(|| path.to_owned());
            let fields = Fields::open(&folder.join(CONFIG))?;
            add(&mut checkpoint, &folder, fields)?;
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
    Ok(Some(checkpoint))
}

/// Adds one model of diffusers. A `VQModel` is skipped.
fn add(
    checkpoint: &mut Checkpoint,
    folder: &Path,
    mut fields: Fields,
) -> Result<(), CheckpointError> {
    fields.ignore(&AVERAGED);
    let class = fields.text("_class_name").unwrap_or_default().to_owned();
    let weights = weights(folder)?;
    if class == "VQModel" {
        // The network of latents is usable without the decoder to images.
        return Ok(());
    }
    if class == "AutoencoderKL" {
        let (config, _) = autoencoder::read(fields)?;
        checkpoint.autoencoder = Some(CheckpointPart { config, weights });
        return Ok(());
    }
    let config = match class.as_str() {
        "UNet2DModel" => {
            let published = unet::plain(fields)?;
            let (network, size) = (published.network.into(), published.size);
            let names = Diffusers {
                convolved: published.convolved,
            };
            Denoising::new(network, size, names).selecting(|stored| Ok(modern(stored)))
        }
        "UNet2DConditionModel" => {
            let published = unet::conditional(fields)?;
            let (network, size) = (published.network.into(), published.size);
            let names = Diffusers {
                convolved: published.convolved,
            };
            Denoising::new(network, size, names).selecting(|stored| Ok(modern(stored)))
        }
        "DiTTransformer2DModel" | "Transformer2DModel" => {
            let (config, side) = dit::read(fields)?;
            Denoising::new(config.into(), Some([side, side]), DiffusersDit)
        }
        other => {
            let known = "UNet2DModel, UNet2DConditionModel, DiTTransformer2DModel or \
                             AutoencoderKL";
            return Err(fields.wrong("_class_name", format!("{other:?} is not {known}")));
        }
    };
    checkpoint.network = Some(CheckpointPart { config, weights });
    Ok(())
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
