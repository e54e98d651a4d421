//! Files of low-rank adapters, in the layouts of peft and diffusers.
//!
//! | layout | files | names |
//! |---|---|---|
//! | peft | `adapter_model.safetensors`, `adapter_config.json` | `base_model.model.L.lora_A.weight`, `….lora_B.weight` |
//! | diffusers | `pytorch_lora_weights.safetensors` | `unet.L.lora_A.weight`, `….lora_B.weight`; in old files `lora.down` and `lora.up` |
//!
//! `L` is the layer's name in diffusers, or in this library for networks that diffusers lacks.

use super::adapters::{Adapters, Factors};
use super::fields::MOST_BYTES;
use super::{CheckpointError, Stored};
use burn::tensor::TensorData;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use tweedie_core::{open_file, read_text, replace_file, replace_file_at};

/// The endings of the factors' names: those of peft and of diffusers.
const DOWN: [&str; 2] = [".lora_A.weight", ".lora.down.weight"];
const UP: [&str; 2] = [".lora_B.weight", ".lora.up.weight"];
const ALPHA: &str = ".alpha";
const PREFIXES: [&str; 3] = ["base_model.model.", "unet.", "transformer."];
const PEFT: [&str; 2] = ["adapter_model.safetensors", "adapter_config.json"];
const DIFFUSERS: &str = "pytorch_lora_weights.safetensors";

impl Adapters {
    /// Opens a file of adapters, or a folder of peft or diffusers that holds one.
    ///
    /// # Errors
    /// [`CheckpointError`] if there is no such file, or if it holds anything but pairs of factors.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let inside = [PEFT[0], DIFFUSERS].map(|name| path.join(name));
        let file = inside
            .into_iter()
            .find(|file| path.is_dir() && file.is_file());
        let file = file.unwrap_or_else(|| path.to_owned());
        let broken = |message: String| CheckpointError::Broken {
            path: file.clone(),
            message,
        };
        let mut layers = BTreeMap::<String, Factors>::new();
        let mut part = "unet".to_owned();
        for (name, tensor) in Stored::open(&file)?.tensors {
            let shape = tensor.shape.to_vec();
            let bytes = tensor
                .to_bytes()
                .map_err(|error| broken(error.to_string()))?;
            let data = TensorData::try_from_bytes(bytes, shape.clone(), tensor.dtype);
            let data = data.map_err(|error| broken(format!("{name}: {error:?}")))?;
            let values: Vec<f32> = data.iter::<f32>().collect();
            let known = |prefix: &&&str| name.starts_with(**prefix);
            let prefix = PREFIXES.iter().find(known).copied().unwrap_or("");
            if PREFIXES[1..].contains(&prefix) {
                part = prefix.trim_end_matches('.').into();
            }
            let place = &name[prefix.len()..];
            let of = |ends: &[&str]| ends.iter().find_map(|end| place.strip_suffix(end));
            if let Some(layer) = of(&DOWN) {
                layers.entry(layer.into()).or_default().down = (shape, values);
            } else if let Some(layer) = of(&UP) {
                layers.entry(layer.into()).or_default().up = (shape, values);
            } else if let (Some(layer), [alpha]) = (of(&[ALPHA]), &values[..]) {
                layers.entry(layer.into()).or_default().alpha = Some((*alpha).into());
            } else {
                return Err(broken(format!("{name} is no factor of a low-rank adapter")));
            }
        }
        let config = file.with_file_name(PEFT[1]);
        if file.ends_with(PEFT[0]) && config.is_file() {
            let alpha = peft_alpha(&config)?;
            layers
                .values_mut()
                .for_each(|factors| factors.alpha = alpha);
        } else if let Some(alpha) = noted_alpha(&file, &part)? {
            let layers = layers.values_mut();
            layers.for_each(|factors| factors.alpha = Some(alpha));
        }
        for (layer, factors) in &layers {
            factors
                .check()
                .map_err(|message| broken(format!("{layer}: {message}")))?;
        }
        match layers.is_empty() {
            true => Err(broken("no low-rank adapters".into())),
            false => Ok(Self {
                path: file,
                part,
                layers,
            }),
        }
    }

    /// Writes the adapters to a folder in the layout of peft, in full precision.
    ///
    /// # Errors
    /// [`CheckpointError`] if a file cannot be written.
    pub fn save_peft(&self, directory: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let directory = directory.as_ref();
        self.write(&directory.join(PEFT[0]), (PREFIXES[0], DOWN[0], UP[0]))?;
        // peft has one rank for all layers unless a pattern says otherwise.
        let ranks: BTreeMap<&str, usize> = self
            .layers
            .iter()
            .map(|(name, it)| (name.as_str(), it.down.0[0]))
            .collect();
        let rank = ranks.values().copied().max().unwrap_or(1);
        let others: BTreeMap<_, _> = ranks.iter().filter(|(_, other)| **other != rank).collect();
        let modules: Vec<&&str> = ranks.keys().collect();
        let config = json!({
            "peft_type": "LORA",
            "r": rank,
            "lora_alpha": rank,
            "rank_pattern": others,
            "alpha_pattern": others,
            "target_modules": modules,
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "base_model_name_or_path": null,
        });
        let path = directory.join(PEFT[1]);
        let text = format!("{config:#}\n");
        replace_file(&path, text.as_bytes())
            .map_err(|source| CheckpointError::File { path, source })
    }

    /// Writes the adapters to a folder in the layout of diffusers, in full precision.
    ///
    /// # Errors
    /// [`CheckpointError`] if the file cannot be written.
    pub fn save_diffusers(&self, directory: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let path = directory.as_ref().join(DIFFUSERS);
        let prefix = format!("{}.", self.part);
        self.write(&path, (&prefix, DOWN[0], UP[0]))
    }

    /// Writes the factors, with `α` in `up`.
    fn write(&self, path: &Path, names: (&str, &str, &str)) -> Result<(), CheckpointError> {
        let (prefix, down, up) = names;
        let file = |source| CheckpointError::File {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(file)?;
        }
        let mut stored = Vec::new();
        for (layer, factors) in &self.layers {
            let scale = factors.scale() as f32;
            let scaled: Vec<f32> = factors.up.1.iter().map(|value| value * scale).collect();
            for (end, shape, values) in [
                (down, &factors.down.0, &factors.down.1),
                (up, &factors.up.0, &scaled),
            ] {
                let bytes: Vec<u8> = values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                stored.push((format!("{prefix}{layer}{end}"), shape.clone(), bytes));
            }
        }
        let views = stored.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            view.map(|view| (name.clone(), view))
        });
        let views: Result<Vec<_>, _> = views.collect();
        let views = views.map_err(|error| file(std::io::Error::other(error)))?;
        let notes = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let written = replace_file_at(path, |partial| {
            safetensors::serialize_to_file(views, Some(notes), partial)
                .map_err(std::io::Error::other)
        });
        written.map_err(file)
    }
}

/// `lora_alpha` of peft's configuration, where it is the same for all layers.
fn peft_alpha(path: &Path) -> Result<Option<f64>, CheckpointError> {
    let text = read_text(path, MOST_BYTES).map_err(|source| CheckpointError::File {
        path: path.to_owned(),
        source,
    })?;
    let config: Value = serde_json::from_str(&text).map_err(|source| CheckpointError::Json {
        path: path.to_owned(),
        source,
    })?;
    let refused = |field: &str, message: String| CheckpointError::Field {
        path: path.to_owned(),
        field: field.into(),
        message,
    };
    if config["peft_type"] != "LORA" {
        let message = format!("{}, only LORA is read", config["peft_type"]);
        return Err(refused("peft_type", message));
    }
    for (field, expected) in [
        ("use_dora", false),
        ("use_rslora", false),
        ("fan_in_fan_out", false),
    ] {
        if config[field].as_bool().unwrap_or(expected) != expected {
            return Err(refused(
                field,
                format!("{} is not supported", config[field]),
            ));
        }
    }
    let pattern = |name: &str| {
        config[name]
            .as_object()
            .filter(|it| !it.is_empty())
            .cloned()
    };
    match (pattern("alpha_pattern"), pattern("rank_pattern")) {
        // As this library writes it: every layer's α is its rank.
        (alphas, ranks) if alphas == ranks && config["lora_alpha"] == config["r"] => Ok(None),
        (None, _) => Ok(config["lora_alpha"].as_f64()),
        (Some(alphas), _) => Err(refused(
            "alpha_pattern",
            format!("{alphas:?} is not supported"),
        )),
    }
}

/// `lora_alpha` in the notes of a file of diffusers, if it has any.
fn noted_alpha(path: &Path, part: &str) -> Result<Option<f64>, CheckpointError> {
    let unread = |source| CheckpointError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = open_file(path).map_err(unread)?;
    // A pickle has no notes.
    let mut length = [0; 8];
    if file.read_exact(&mut length).is_err() || u64::from_le_bytes(length) > MOST_BYTES {
        return Ok(None);
    }
    let mut header = Vec::new();
    let mut rest = file.take(u64::from_le_bytes(length));
    rest.read_to_end(&mut header).map_err(unread)?;
    let header: Value = serde_json::from_slice(&header).unwrap_or_default();
    let Some(notes) = header["__metadata__"]["lora_adapter_metadata"].as_str() else {
        return Ok(None);
    };
    let json = |source| CheckpointError::Json {
        path: path.to_owned(),
        source,
    };
    let notes: Value = serde_json::from_str(notes).map_err(json)?;
    let note = |name: &str| {
        let own = notes.get(format!("{part}.{name}")).or(notes.get(name));
        own.cloned().unwrap_or(Value::Null)
    };
    let pattern = note("alpha_pattern");
    if pattern.as_object().is_some_and(|it| !it.is_empty()) {
        return Err(CheckpointError::Field {
            path: path.to_owned(),
            field: "alpha_pattern".into(),
            message: format!("{pattern} is not supported"),
        });
    }
    Ok(note("lora_alpha").as_f64())
}
