//! Low-rank adapters in the layouts of peft and diffusers.
//!
//! | layout | files | names |
//! |---|---|---|
//! | peft | `adapter_model.safetensors`, `adapter_config.json` | `base_model.model.L.lora_A.weight`, `….lora_B.weight` |
//! | diffusers | `pytorch_lora_weights.safetensors` | `unet.L.lora_A.weight`, `….lora_B.weight`; in old files `lora.down` and `lora.up` |
//!
//! `L` is the layer's name in diffusers, or in this library for networks that diffusers lacks.

use super::fields::MOST_BYTES;
use super::place::{Naming, Native, Place, Target, targets};
use super::{Checkpoint, CheckpointError, Mismatch, Misshapen, Stored};
use crate::low_rank::{attach, matrix};
use crate::{Architecture, Model, ModelConfig};
use burn::module::{LoraAdapter, Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use tweedie_core::{read_text, replace_file, replace_file_at};

/// Low-rank adapters of a network's layers, as they are stored: `W + up·down`.
///
/// ```no_run
/// use burn::tensor::Device;
/// use tweedie_models::{Adapters, Model};
///
/// let model = Model::open("sd-unet", &Device::default())?;
/// let style = Adapters::open("pytorch_lora_weights.safetensors")?;
/// let styled = model.with_adapters(&style, 0.8)?;
/// # let _ = styled;
/// # Ok::<(), tweedie_models::CheckpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Adapters {
    path: PathBuf,
    layers: BTreeMap<String, Factors>,
}

/// The factors of a layer, with PyTorch's shapes.
#[derive(Clone, Debug, Default, PartialEq)]
struct Factors {
    /// `[rank, inputs, …]`.
    down: (Vec<usize>, Vec<f32>),
    /// `[outputs, rank, …]`.
    up: (Vec<usize>, Vec<f32>),
    /// `α`; `None` for the rank.
    alpha: Option<f64>,
}

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
        for (name, tensor) in Stored::open(&file)?.tensors {
            let shape = tensor.shape.to_vec();
            let bytes = tensor
                .to_bytes()
                .map_err(|error| broken(error.to_string()))?;
            let data = TensorData::try_from_bytes(bytes, shape.clone(), tensor.dtype);
            let data = data.map_err(|error| broken(format!("{name}: {error:?}")))?;
            let values: Vec<f32> = data.iter::<f32>().collect();
            let prefix = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
            let place = prefix.unwrap_or(&name);
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
        }
        for (layer, factors) in &layers {
            factors
                .check()
                .map_err(|message| broken(format!("{layer}: {message}")))?;
        }
        match layers.is_empty() {
            true => Err(broken("no low-rank adapters".into())),
            false => Ok(Self { path: file, layers }),
        }
    }

    /// The adapters of a trained network, which [`LowRank`](crate::LowRank) has attached with this
    /// `α`, or [`attach`](Self::attach) with `None`.
    ///
    /// # Errors
    /// [`CheckpointError::Inexpressible`] if the network has none.
    pub fn of<A: Architecture>(
        config: &ModelConfig<A>,
        network: &A::Network,
        alpha: Option<f64>,
    ) -> Result<Self, CheckpointError> {
        let mut found = Attached::default();
        network.visit(&mut found);
        let naming = naming(config);
        let mut layers = BTreeMap::new();
        for (target, factors) in plain(targets(network)).into_iter().zip(found.factors) {
            let Ok([a, b]) = <[Tensor<2>; 2]>::try_from(factors) else {
                continue;
            };
            let place = naming.place(&target);
            let values = |x: Tensor<2>| -> Vec<f32> { x.into_data().iter::<f32>().collect() };
            let [_, rank] = a.dims();
            let [down, up] = match target.linear {
                true => [a.transpose(), b.transpose()],
                false => [b, a],
            };
            let mut down_shape = place.shape.clone();
            down_shape[0] = rank;
            let mut up_shape = vec![1; place.shape.len()];
            (up_shape[0], up_shape[1]) = (place.shape[0], rank);
            let factors = Factors {
                down: (down_shape, values(down)),
                up: (up_shape, values(up)),
                alpha,
            };
            layers.insert(layer(&place).to_owned(), factors);
        }
        match layers.is_empty() {
            true => Err(CheckpointError::Inexpressible {
                layout: "low-rank adapters",
                what: "a network without any".into(),
            }),
            false => Ok(Self {
                path: PathBuf::from("memory"),
                layers,
            }),
        }
    }

    /// The names of the adapted layers.
    pub fn layers(&self) -> impl Iterator<Item = &str> {
        self.layers.keys().map(String::as_str)
    }

    /// Gives the factors the shapes of a checkpoint's layers, before they are saved for it. PyTorch
    /// networks have convolutions of 1×1 where this library has linear layers.
    ///
    /// # Errors
    /// [`CheckpointError`] if the file of its weights cannot be read.
    pub fn shaped_as(mut self, checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        let Some(part) = &checkpoint.network else {
            return Ok(self);
        };
        let stored = Stored::open(&part.weights)?;
        for (layer, factors) in &mut self.layers {
            let weight = stored.tensors.get(&format!("{layer}.weight"));
            let axes = weight.map_or(0, |weight| weight.shape.len());
            for (shape, _) in [&mut factors.down, &mut factors.up] {
                shape.resize(axes.max(shape.len()), 1);
            }
        }
        Ok(self)
    }

    /// Attaches the adapters, times `scale`, to a network of this configuration, for example to
    /// train them further.
    ///
    /// # Errors
    /// [`CheckpointError::Tensors`] lists the layers that the network lacks and factors of the
    /// wrong shape.
    pub fn attach<A: Architecture>(
        &self,
        config: &ModelConfig<A>,
        network: A::Network,
        scale: f64,
    ) -> Result<A::Network, CheckpointError> {
        let naming = naming(config);
        let device = network.devices().into_iter().next().unwrap_or_default();
        let mut left: BTreeMap<&str, &Factors> = self
            .layers
            .iter()
            .map(|(name, it)| (name.as_str(), it))
            .collect();
        let (mut mismatch, mut adapters) = (Mismatch::default(), VecDeque::new());
        for target in targets(&network) {
            let place = naming.place(&target);
            let found = matrix(&target).and_then(|_| left.remove(layer(&place)));
            let adapter = found.map(|factors| factors.adapter(&target, &place, scale, &device));
            adapters.push_back(match adapter {
                None => None,
                Some(Ok(adapter)) => Some(adapter),
                Some(Err(misshapen)) => {
                    mismatch.misshapen.push(misshapen);
                    None
                }
            });
        }
        mismatch.unexpected = left.into_keys().map(String::from).collect();
        if !mismatch.is_empty() {
            let path = self.path.clone();
            return Err(CheckpointError::Tensors { path, mismatch });
        }
        Ok(attach(network, adapters))
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
        self.write(&path, (PREFIXES[1], DOWN[0], UP[0]))
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

impl Factors {
    fn rank(&self) -> usize {
        self.down.0.first().copied().unwrap_or(0)
    }

    fn scale(&self) -> f64 {
        let rank = self.rank() as f64;
        self.alpha.unwrap_or(rank) / rank
    }

    fn check(&self) -> Result<(), String> {
        let (down, up, rank) = (&self.down.0, &self.up.0, self.rank());
        let known = |shape: &[usize]| shape.len() == 2 || shape.len() == 4;
        let small = up
            .get(2..)
            .is_some_and(|sides| sides.iter().all(|&side| side == 1));
        let fits = rank > 0 && known(down) && known(up) && up[1] == rank && small;
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        match fits {
            false => Err(format!(
                "factors of {down:?} and {up:?}, expected [r, i, …] and [o, r]"
            )),
            true if !finite(&self.down.1) || !finite(&self.up.1) || !self.scale().is_finite() => {
                Err("a factor that is not finite".into())
            }
            true => Ok(()),
        }
    }

    /// The adapter of a parameter.
    fn adapter(
        &self,
        target: &Target,
        place: &Place,
        scale: f64,
        device: &Device,
    ) -> Result<LoraAdapter, Misshapen> {
        let rank = self.rank();
        let inputs: usize = place.shape[1..].iter().product();
        let [found, up] = [&self.down, &self.up].map(|factor| factor.1.len());
        if found != rank * inputs || up != place.shape[0] * rank {
            return Err(Misshapen {
                name: place.name.clone(),
                expected: format!("{:?}", place.shape),
                found: format!("{:?} × {:?}", self.up.0, self.down.0),
            });
        }
        let of = |values: &[f32], shape: [usize; 2]| {
            let data = TensorData::new(values.to_vec(), shape);
            Tensor::<2>::from_data(data, (device, DType::F32))
        };
        let down = of(&self.down.1, [rank, inputs]);
        let mut up = of(&self.up.1, [place.shape[0], rank]);
        // A parameter may be a part of a stored tensor.
        if !place.rows.is_empty() {
            let rows = place
                .rows
                .iter()
                .map(|rows| up.clone().slice([rows.clone()]));
            up = Tensor::cat(rows.collect(), 0);
        }
        let up = up * (scale * self.scale());
        let [a, b] = match target.linear {
            true => [down.transpose(), up.transpose()],
            false => [up, down],
        };
        let [a, b] = [a, b].map(Param::from_tensor);
        let scale = 1.0;
        Ok(LoraAdapter { a, b, scale })
    }
}

impl<A: Architecture> Model<A> {
    /// Adds adapters, times `scale`, to the weights.
    ///
    /// # Errors
    /// As [`Adapters::attach`].
    pub fn with_adapters(&self, adapters: &Adapters, scale: f64) -> Result<Self, CheckpointError> {
        let network = adapters.attach(self.config(), self.network().clone(), scale)?;
        Self::new(self.config().clone(), network.materialize())
    }
}

/// The names of diffusers, or those of this library for what diffusers lacks.
fn naming<A: Architecture>(config: &ModelConfig<A>) -> Box<dyn Naming> {
    match config.network.published(config.size) {
        Ok(published) => published.naming,
        Err(_) => Box::new(Native),
    }
}

/// The name of a weight's layer.
fn layer(place: &Place) -> &str {
    place.name.strip_suffix(".weight").unwrap_or(&place.name)
}

/// The parameters without those of adapters.
fn plain(targets: Vec<Target>) -> Vec<Target> {
    let own = |target: &Target| !target.path.split('.').any(|part| part == "lora");
    targets.into_iter().filter(own).collect()
}

/// The factors of a network's adapters: a place for each parameter, two factors for an adapter.
#[derive(Default)]
struct Attached {
    factors: Vec<Vec<Tensor<2>>>,
    inside: bool,
}

impl ModuleVisitor for Attached {
    fn enter_module(&mut self, _: &str, container: &str) {
        self.inside |= container == "Reparameterization";
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.inside &= container != "Reparameterization";
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match (self.inside, self.factors.last_mut()) {
            (true, Some(last)) => last.push(param.val().flatten(1, D - 1)),
            _ => self.factors.push(Vec::new()),
        }
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
        (None, _) => Ok(config["lora_alpha"].as_f64()),
        // As this library writes it: every layer's α is its rank.
        (alphas, ranks) if alphas == ranks => Ok(None),
        (Some(alphas), _) => Err(refused(
            "alpha_pattern",
            format!("{alphas:?} is not supported"),
        )),
    }
}
