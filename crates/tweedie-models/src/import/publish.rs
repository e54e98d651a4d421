//! Writing models in the layout of diffusers.

use super::diffusers::names::Diffusers;
use super::diffusers::{autoencoder, scheduler_write};
use super::place::Naming;
use super::{CheckpointError, Precision, export};
use crate::sampling::{Clip, End, Grid, Sampling};
use crate::{Architecture, Autoencoder, Latent, Model, ModelConfig, Published};
use burn::module::Module;
use serde_json::{Value, json};
use std::path::Path;
use tweedie_core::{TimeInput, replace_file};
use tweedie_math::Spacing;

/// The file name of the weights.
const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

impl<A: Architecture> Model<A> {
    /// Writes the model in the layout of diffusers, for Python's `from_pretrained`.
    ///
    /// A U-Net becomes a pipeline (`DDPMPipeline`, or `ScoreSdeVePipeline` for NCSN++):
    /// `model_index.json`, with one folder for the network and one for the scheduler. A transformer
    /// becomes a model, because its pipeline needs an autoencoder: `config.json`, weights and
    /// `scheduler_config.json` in one folder.
    ///
    /// The entry file (`model_index.json` or `config.json`) is written last, and an old one is
    /// removed first. A reader therefore never finds parts of two models.
    ///
    /// # Errors
    /// [`CheckpointError::Inexpressible`] if the layout cannot represent the model, for example
    /// pixels folded into channels; nothing is written then. Other errors if a file cannot be
    /// written.
    pub fn export_diffusers(
        &self,
        directory: impl AsRef<Path>,
        precision: Precision,
    ) -> Result<(), CheckpointError> {
        let (files, directory) = (Files::of(self)?, directory.as_ref());
        let Some(pipeline) = files.network.pipeline else {
            make(directory)?;
            // A reader would find the entry file of an old pipeline first.
            withdraw(&directory.join("model_index.json"))?;
            withdraw(&directory.join("config.json"))?;
            text(&directory.join("scheduler_config.json"), &files.scheduler)?;
            let Published { config, naming, .. } = &files.network;
            return part(directory, config, self.network(), &**naming, precision);
        };
        files.write(directory, pipeline, precision, None)
    }
}

impl<A: Architecture> Latent<Model<A>> {
    /// Writes the model as a pipeline of diffusers, with a folder for the autoencoder.
    ///
    /// The pipeline is `LDMPipeline` for a U-Net and `DiTPipeline` for a transformer.
    ///
    /// # Errors
    /// As [`Model::export_diffusers`].
    pub fn export_diffusers(
        &self,
        directory: impl AsRef<Path>,
        precision: Precision,
    ) -> Result<(), CheckpointError> {
        let files = Files::of(self.denoiser())?;
        let [height, width] = self.denoiser().config().size;
        let factor = 1 << (self.autoencoder().config().widths.len() - 1);
        let size = [height * factor, width * factor];
        let config = autoencoder::write(self.autoencoder().config(), size)?;
        let [pipeline, folder] = files.network.latent;
        let images = Some((folder, self.autoencoder(), config));
        files.write(directory.as_ref(), pipeline, precision, images)
    }
}

/// The content of the files of a model, prepared before anything is written.
struct Files<'a, A: Architecture> {
    model: &'a Model<A>,
    network: Published,
    scheduler: Value,
}

impl<'a, A: Architecture> Files<'a, A> {
    fn of(model: &'a Model<A>) -> Result<Self, CheckpointError> {
        let config = model.config();
        Ok(Self {
            model,
            network: config.network.published(config.size)?,
            scheduler: scheduler_write::write(&sampling(config)?)?,
        })
    }

    fn write(
        self,
        directory: &Path,
        pipeline: &str,
        precision: Precision,
        images: Option<(&str, &Autoencoder, Value)>,
    ) -> Result<(), CheckpointError> {
        let entry = directory.join("model_index.json");
        make(directory)?;
        withdraw(&entry)?;
        let class = |value: &Value| json!(["diffusers", value["_class_name"]]);
        let mut index = json!({
            "_class_name": pipeline,
            "scheduler": class(&self.scheduler),
        });
        let Published {
            folder,
            config,
            naming,
            ..
        } = &self.network;
        index[*folder] = class(config);
        let network = self.model.network();
        part(
            &directory.join(folder),
            config,
            network,
            &**naming,
            precision,
        )?;
        if let Some((folder, autoencoder, config)) = images {
            index[folder] = class(&config);
            let names = Diffusers { convolved: false };
            part(
                &directory.join(folder),
                &config,
                autoencoder,
                &names,
                precision,
            )?;
        }
        let folder = directory.join("scheduler");
        make(&folder)?;
        text(&folder.join("scheduler_config.json"), &self.scheduler)?;
        text(&entry, &index)
    }
}

/// The sampling settings of the model. Without any, they follow from the chain of its time input.
fn sampling<A: Architecture>(config: &ModelConfig<A>) -> Result<Sampling, CheckpointError> {
    if let Some(sampling) = &config.sampling {
        let same = sampling.prediction == config.prediction && sampling.time == config.time;
        if !same {
            return Err(CheckpointError::Inexpressible {
                layout: "diffusers' layout",
                what:
                    "sampling settings whose prediction type or time input differs from the model's"
                        .into(),
            });
        }
        return Ok(sampling.clone());
    }
    let TimeInput::Index(chain) = &config.time else {
        return Err(CheckpointError::Inexpressible {
            layout: "diffusers' layout",
            what: format!("the time input {:?}", config.time),
        });
    };
    let [_, outputs] = config.network.channels();
    Ok(Sampling {
        prediction: config.prediction,
        time: config.time.clone(),
        grid: Grid::Chain {
            chain: chain.clone(),
            // Start at the noisiest node of any chain.
            spacing: Spacing::Trailing,
            end: End::Clean,
        },
        clip: Clip::Static { range: 1.0 },
        learned_variance: outputs == 2 * config.channels,
    })
}

/// Writes a network and its configuration to a folder.
fn part<M: Module>(
    folder: &Path,
    config: &Value,
    network: &M,
    names: &dyn Naming,
    precision: Precision,
) -> Result<(), CheckpointError> {
    let entry = folder.join("config.json");
    make(folder)?;
    withdraw(&entry)?;
    export::tensors(network, names, precision, &folder.join(WEIGHTS))?;
    text(&entry, config)
}

/// Removes the entry file of an earlier export, if there is one.
fn withdraw(path: &Path) -> Result<(), CheckpointError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(CheckpointError::File {
                path: path.to_owned(),
                source,
            })
        }
        _ => Ok(()),
    }
}

fn make(folder: &Path) -> Result<(), CheckpointError> {
    std::fs::create_dir_all(folder).map_err(|source| CheckpointError::File {
        path: folder.to_owned(),
        source,
    })
}

fn text(path: &Path, value: &Value) -> Result<(), CheckpointError> {
    let text = format!("{value:#}\n");
    replace_file(path, text.as_bytes()).map_err(|source| CheckpointError::File {
        path: path.to_owned(),
        source,
    })
}
