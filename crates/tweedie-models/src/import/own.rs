//! The layout of this library: `config.json` and a file of weights.

use super::checkpoint::{Checkpoint, CheckpointPart, Denoising};
use super::fields::{Fields, MOST_BYTES};
use super::load::load;
use super::place::Native;
use super::stored::Stored;
use super::{CheckpointError, Layout, Precision};
use crate::model::{CONFIG, WEIGHTS};
use crate::{AnyArchitecture, Architecture, ModelConfig};
use burn::tensor::Device;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tweedie_core::read_file;

/// A model on disk whose configuration has been read.
pub(crate) struct Own<A: Architecture> {
    pub(crate) config: ModelConfig<A>,
    pub(crate) weights: PathBuf,
}

impl<A: Architecture> Own<A> {
    pub(crate) fn open(directory: &Path) -> Result<Self, CheckpointError> {
        let path = directory.join(CONFIG);
        let json = |source| CheckpointError::Json {
            path: path.clone(),
            source,
        };
        let text = read_file(&path, MOST_BYTES).map_err(|source| CheckpointError::File {
            path: path.clone(),
            source,
        })?;
        let mut given: Value = serde_json::from_slice(&text).map_err(json)?;
        let weights = given.as_object_mut();
        let weights = weights.and_then(|given| given.remove("weights"));
        let weights = match &weights {
            None => WEIGHTS[0],
            Some(name) => {
                let known = WEIGHTS.into_iter().find(|known| name == known);
                known.ok_or_else(|| CheckpointError::Field {
                    path: path.clone(),
                    field: "weights".into(),
                    message: format!("{name} is not {}", WEIGHTS.join(" or ")),
                })?
            }
        };
        let config: ModelConfig<A> = serde_json::from_value(given.clone()).map_err(json)?;
        let known = serde_json::to_value(&config).map_err(json)?;
        let mut fields = Vec::new();
        unknown("", &given, &known, &mut fields);
        if !fields.is_empty() {
            return Err(CheckpointError::UnknownFields { path, fields });
        }
        config.check()?;
        let weights = directory.join(weights);
        Ok(Self { config, weights })
    }

    /// Loads the network.
    pub(crate) fn network(&self, device: &Device) -> Result<A::Network, CheckpointError> {
        let stored = Stored::open(&self.weights)?;
        stored.may_hold(self.config.network.min_tensors())?;
        let network = self.config.network.init(device);
        let network = network.map_err(|source| self.config.network_error(source))?;
        load(network, &stored, &Native, Precision::Full)
    }
}

/// Opens a model of a network of this library.
pub(crate) fn recognise(path: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
    let config = path.join(CONFIG);
    if !config.is_file() || !Fields::open(&config)?.has("network") {
        return Ok(None);
    }
    let Own {
        config: model,
        weights,
    } = Own::<AnyArchitecture>::open(path)?;
    let mut checkpoint = Checkpoint::empty(path, Layout::Tweedie);
    checkpoint.sampling.clone_from(&model.sampling);
    let mut config = Denoising::new(model.network.clone(), Some(model.size), Native);
    config.model = Some(Box::new(model));
    checkpoint.network = Some(CheckpointPart { config, weights });
    Ok(Some(checkpoint))
}

/// Collects the fields of `given`, with their values, that `known` does not have. Null fields are
/// skipped.
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
