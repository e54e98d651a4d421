//! Trained weights with their configuration, in one directory.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | [`ModelConfig`]: network, prediction, time input |
//! | `weights.safetensors` | the parameters, `f32` or `f16` |

use crate::{Unet, UnetConfig, UnetError};
use burn::module::{Module, ModuleMapper, Param};
use burn::store::{HalfPrecisionAdapter, ModuleSnapshot, SafetensorsStore};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tweedie_core::{Denoiser, Preconditioned, TimeInput, replace_file};
use tweedie_math::{Level, Prediction};

/// What a model is, apart from its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The network.
    pub network: UnetConfig,
    /// What its output means.
    pub prediction: Prediction,
    /// How it is told the level.
    pub time: TimeInput,
    /// Height and width of the images it was trained on.
    pub size: [usize; 2],
}

/// How weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    #[default]
    Full,
    /// 16 bits: half the size, a relative error of 5e-4.
    Half,
}

/// Why a model could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file that could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A configuration that is not one.
    #[error("{}: {source}", path.display())]
    Config {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A configuration that no network can have.
    #[error(transparent)]
    Network(#[from] UnetError),
    /// A prediction with a parameter outside its range.
    #[error(transparent)]
    Prediction(#[from] tweedie_math::ScheduleError),
    /// An image size that is 0 or that the network's patches do not fill.
    #[error("images of {}×{} pixels do not consist of patches of {patch}×{patch}", size[0], size[1])]
    Size {
        /// Height and width.
        size: [usize; 2],
        /// Side of a patch.
        patch: usize,
    },
    /// Weights that do not belong to the configuration.
    #[error("{}: {message}", path.display())]
    Weights {
        /// Which file.
        path: PathBuf,
        /// Which tensors are missing or misshapen.
        message: String,
    },
}

/// A trained U-Net: a denoiser of images `[batch, channels, height, width]`.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    denoiser: Preconditioned<Unet>,
}

impl ModelConfig {
    /// The model with fresh parameters.
    ///
    /// # Errors
    /// [`ModelError::Network`], [`ModelError::Prediction`] or [`ModelError::Size`] for a configuration
    /// that makes no sense.
    pub fn init(&self, device: &Device) -> Result<Preconditioned<Unet>, ModelError> {
        self.prediction.check()?;
        let ([height, width], patch) = (self.size, self.network.patch.max(1));
        if height == 0
            || width == 0
            || !height.is_multiple_of(patch)
            || !width.is_multiple_of(patch)
        {
            return Err(ModelError::Size {
                size: self.size,
                patch,
            });
        }
        let network = self.network.init(device)?;
        Ok(Preconditioned::new(
            network,
            self.prediction,
            self.time.clone(),
        ))
    }
}

impl Model {
    /// A model of its parts.
    #[must_use]
    pub fn new(config: ModelConfig, denoiser: Preconditioned<Unet>) -> Self {
        Self { config, denoiser }
    }

    /// Reads a model from its directory.
    ///
    /// # Errors
    /// [`ModelError`] names the file, and every tensor that is missing or misshapen.
    pub fn open(directory: impl AsRef<Path>, device: &Device) -> Result<Self, ModelError> {
        let read = |path: PathBuf| match std::fs::read(&path) {
            Ok(bytes) => Ok((path, bytes)),
            Err(source) => Err(ModelError::File { path, source }),
        };
        let (path, text) = read(directory.as_ref().join(CONFIG))?;
        let config: ModelConfig =
            serde_json::from_slice(&text).map_err(|source| ModelError::Config { path, source })?;
        let (path, bytes) = read(directory.as_ref().join(WEIGHTS))?;
        let mut denoiser = config.init(device)?;
        let mut store = SafetensorsStore::from_bytes(Some(bytes)).allow_partial(true);
        let wrong = |message: String| ModelError::Weights { path, message };
        let applied = denoiser.load_from(&mut store);
        let applied = applied.map_err(|error| wrong(in_one_line(&error.to_string())))?;
        let missing = applied.missing.iter().map(|(name, _)| format!("no {name}"));
        let unused = applied.unused.iter().map(|name| format!("unknown {name}"));
        let broken = applied
            .errors
            .iter()
            .map(|error| in_one_line(&error.to_string()));
        let all: Vec<String> = broken.chain(missing).chain(unused).collect();
        if !all.is_empty() {
            let message = format!("not the weights of this network: {}", all.join(", "));
            return Err(ModelError::Weights {
                path: directory.as_ref().join(WEIGHTS),
                message,
            });
        }
        // Parameters come in the precision of their file.
        let denoiser = denoiser.map(&mut ToSingle);
        Ok(Self { config, denoiser })
    }

    /// Writes the model into a directory, which is made if need be. Each file is written beside
    /// its place and then moved there.
    ///
    /// # Errors
    /// [`ModelError`] if a file cannot be written.
    pub fn save(
        &self,
        directory: impl AsRef<Path>,
        precision: Precision,
    ) -> Result<(), ModelError> {
        let directory = directory.as_ref();
        std::fs::create_dir_all(directory).map_err(|source| ModelError::File {
            path: directory.into(),
            source,
        })?;
        let config = directory.join(CONFIG);
        let text =
            serde_json::to_vec_pretty(&self.config).map_err(|source| ModelError::Config {
                path: config.clone(),
                source,
            })?;
        let weights = directory.join(WEIGHTS);
        let mut store = SafetensorsStore::from_bytes(None);
        if precision == Precision::Half {
            store = store.with_to_adapter(HalfPrecisionAdapter::new());
        }
        let stored = self
            .denoiser
            .save_into(&mut store)
            .and_then(|()| store.get_bytes());
        let bytes = stored.map_err(|error| ModelError::Weights {
            path: weights.clone(),
            message: error.to_string(),
        })?;
        let write = |path: PathBuf, bytes: &[u8]| {
            replace_file(&path, bytes).map_err(|source| ModelError::File { path, source })
        };
        write(weights, &bytes)?;
        write(config, &text)
    }

    /// What the model is.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The number of parameters.
    #[must_use]
    pub fn num_params(&self) -> usize {
        self.denoiser.num_params()
    }

    /// `[batch, channels, height, width]` of `batch` images.
    #[must_use]
    pub fn shape(&self, batch: usize) -> [usize; 4] {
        let [height, width] = self.config.size;
        [batch, self.config.network.channels, height, width]
    }
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct ToSingle;

impl ModuleMapper for ToSingle {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.cast(FloatDType::F32))
    }
}

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "weights.safetensors";

impl Denoiser<4> for Model {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Tensor<4> {
        self.denoiser.denoise(x, level)
    }

    fn supports(&self, level: Level) -> bool {
        self.denoiser.supports(level)
    }
}
