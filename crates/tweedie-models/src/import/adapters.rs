//! Low-rank adapters of a network: taken from it, attached to it and merged. Their files are in
//! `adapter_files.rs`.

use super::place::{Naming, Native, Place, Target, targets};
use super::{Checkpoint, CheckpointError, Mismatch, Misshapen, Stored};
use crate::low_rank::{attach, matrix};
use crate::{Architecture, Model, ModelConfig};
use burn::module::{LoraAdapter, Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use tweedie_core::parameter_dtype;

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
    pub(super) path: PathBuf,
    /// The folder of the network in a pipeline of diffusers.
    pub(super) part: String,
    pub(super) layers: BTreeMap<String, Factors>,
}

/// The factors of a layer, with PyTorch's shapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Factors {
    /// `[rank, inputs, …]`.
    pub(super) down: (Vec<usize>, Vec<f32>),
    /// `[outputs, rank, …]`.
    pub(super) up: (Vec<usize>, Vec<f32>),
    /// `α`; `None` for the rank.
    pub(super) alpha: Option<f64>,
}

impl Adapters {
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
        let published = config.network.published(config.size).ok();
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
                part: published.map_or("unet", |it| it.folder).into(),
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
    /// train them further. Adapters that the network already has are added to its weights.
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
        let like = (&device, parameter_dtype(&network).unwrap_or(DType::F32));
        let network = network.materialize();
        let mut left: BTreeMap<&str, &Factors> = self
            .layers
            .iter()
            .map(|(name, it)| (name.as_str(), it))
            .collect();
        let (mut mismatch, mut adapters) = (Mismatch::default(), VecDeque::new());
        for target in targets(&network) {
            let place = naming.place(&target);
            let found = matrix(&target).and_then(|_| left.remove(layer(&place)));
            let adapter = found.map(|factors| factors.adapter(&target, &place, scale, like));
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
}

impl Factors {
    fn rank(&self) -> usize {
        self.down.0.first().copied().unwrap_or(0)
    }

    pub(super) fn scale(&self) -> f64 {
        let rank = self.rank() as f64;
        self.alpha.unwrap_or(rank) / rank
    }

    pub(super) fn check(&self) -> Result<(), String> {
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
        like: (&Device, DType),
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
            Tensor::<2>::from_data(data, like)
        };
        let down = of(&self.down.1, [rank, inputs]);
        let up = of(&self.up.1, [place.shape[0], rank]);
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
