//! Which layout a checkpoint has, and where its parts lie.

use super::checkpoint::{Checkpoint, Denoising, Layout, Names, Part};
use super::diffusers::{autoencoder, dit, scheduler, unet};
use super::fields::{Fields, MOST_BYTES};
use super::guided_diffusion::FIRST;
use super::stored::Stored;
use super::{CheckpointError, Precision, guided_diffusion};
use crate::model::{CONFIG, WEIGHTS};
use crate::sampling::{Clip, End, Grid, Sampling};
use crate::{Architecture, ModelConfig, UnetConfig, Waves};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use tweedie_core::{TimeInput, read_file};
use tweedie_math::{Chain, Prediction, Spacing, VarianceExploding};

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
        let config = path.join(CONFIG);
        // A folder may hold more than one layout: this library's own goes first, which it wrote there.
        if config.is_file() && Fields::open(&config)?.has("network") {
            return Self::native(path, &config);
        }
        if path.join("model_index.json").is_file() {
            return Self::pipeline(path);
        }
        let weights = path.join("model.safetensors");
        if weights.is_file() {
            return Self::guided_diffusion(path, &weights);
        }
        // The error of a missing file names it.
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

    fn native(path: &Path, config: &Path) -> Result<Self, CheckpointError> {
        let file = |source| CheckpointError::File {
            path: config.to_owned(),
            source,
        };
        let json = |source| CheckpointError::Json {
            path: config.to_owned(),
            source,
        };
        let text = read_file(config, MOST_BYTES).map_err(file)?;
        let given: Value = serde_json::from_slice(&text).map_err(json)?;
        let mut given = given;
        let weights = given
            .as_object_mut()
            .and_then(|given| given.remove("weights"));
        let weights = match &weights {
            None => WEIGHTS[0],
            Some(name) => {
                let known = WEIGHTS.into_iter().find(|known| name == known);
                known.ok_or_else(|| CheckpointError::Field {
                    path: config.to_owned(),
                    field: "weights".into(),
                    message: format!("{name} is not {}", WEIGHTS.join(" or ")),
                })?
            }
        };
        let model: ModelConfig = serde_json::from_value(given.clone()).map_err(json)?;
        let known = serde_json::to_value(&model).map_err(json)?;
        let mut fields = Vec::new();
        unknown("", &given, &known, &mut fields);
        if !fields.is_empty() {
            let path = config.to_owned();
            return Err(CheckpointError::UnknownFields { path, fields });
        }
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
            weights: path.join(weights),
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

    /// Takes up one model of diffusers; an autoencoder of a kind that is not known is left.
    fn diffusers(&mut self, folder: &Path, mut fields: Fields) -> Result<(), CheckpointError> {
        fields.ignore(&AVERAGED);
        let class = fields.text("_class_name").unwrap_or_default().to_owned();
        let weights = weights(folder)?;
        if class == "VQModel" {
            // The network of latents can be used without the way back to images.
            return Ok(());
        }
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

/// Names of weights, the best first: in full precision before half, safetensors before pickles.
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

/// What `EMAModel.save_pretrained` writes of the average into a network's configuration.
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

/// The fields of `given`, with their values, that `known` does not have; null stands for none.
fn unknown(place: &str, given: &Value, known: &Value, found: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let place = format!("{place}{name}");
                match known.get(name) {
                    Some(known) => unknown(&format!("{place}."), value, known, found),
                    None => found.push(format!("{place} = {value}")),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (i, (given, known)) in given.iter().zip(known).enumerate() {
                unknown(&format!("{place}{i}."), given, known, found);
            }
        }
        _ => {}
    }
}

/// Rows of a table of steps, if the network has one.
pub(super) fn table(network: &Architecture) -> Option<usize> {
    match network {
        Architecture::Unet(config) => match config.waves() {
            Waves::Learned { count, .. } => Some(count),
            _ => None,
        },
        Architecture::Dit(_) => None,
    }
}

/// DDPM's: noise, told by the index of the linear chain.
pub(super) fn ddpm(network: &Architecture) -> Result<Sampling, tweedie_math::ScheduleError> {
    let scores = |config: &UnetConfig| config.divide_by_condition;
    let exploding = matches!(network, Architecture::Unet(config) if scores(config));
    if exploding {
        return Ok(Sampling {
            prediction: Prediction::ScaledScore,
            time: TimeInput::NoiseLevel,
            grid: Grid::Exploding {
                schedule: VarianceExploding::new(0.01, 1348.0)?,
                rho: None,
            },
            clip: Clip::None,
            learned_variance: false,
        });
    }
    // A table of steps has as many rows as its chain has.
    let steps = table(network).unwrap_or(1000);
    let chain = Chain::linear(steps, 1e-4, 0.02)?;
    Ok(Sampling {
        prediction: Prediction::Noise,
        time: TimeInput::Index(chain.clone()),
        grid: Grid::Chain {
            chain,
            spacing: Spacing::Leading { offset: 0 },
            end: End::Clean,
        },
        clip: Clip::Static { range: 1.0 },
        learned_variance: false,
    })
}
