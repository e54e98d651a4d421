//! Networks with random weights: outputs, gradients by the input, and the outputs of their modules.
//!
//! A folder holds a checkpoint, `io.json` and `io.safetensors`. The record holds the output in
//! `f64` with the peer's `f32` sinusoids (`output`) and without them (`output_emb64`), and the
//! outputs of the modules by name (`act/…`).

use crate::case::{File, GoldenError, Recorded};
use crate::compare::{Comparison, Outcome, SINGLE};
use tweedie::burn::module::{Module, ModuleMapper, Param};
use tweedie::burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};
use tweedie::models::{
    AnyNetwork, Autoencoder, Checkpoint, ClassInput, Conditions, Context, Layout, Probe, Probed,
};

/// The tolerance for networks in `f64`.
const DOUBLE: f64 = 1e-9;
/// The tolerance for gradients in `f32`, relative to the largest value.
const GRADIENT: f64 = 1e-4;

/// Returns whether a file is in the folder of a checkpoint.
pub(crate) fn knows(file: &File) -> bool {
    let holds = |name: &str| file.folder.join(name).is_file();
    file.find("input").is_some() && (holds("config.json") || holds("model.safetensors"))
}

/// Runs the network in both precisions.
pub(crate) fn run(file: &File) -> Result<Outcome, GoldenError> {
    let device = Device::flex();
    let mut checkpoint = Checkpoint::open(&file.folder)?;
    if let (Layout::GuidedDiffusion, Some(config)) =
        (checkpoint.layout(), file.meta["config"].as_object())
    {
        checkpoint = checkpoint.with_guided_config(config.clone())?;
    }
    let mut comparison = Comparison::default();
    if checkpoint.architecture().is_none() {
        let network = checkpoint.autoencoder(&device)?;
        autoencoder(file, network, &mut comparison)?;
        return Ok(Outcome::Ran(comparison));
    }
    let network = checkpoint.network(&device)?;
    single(file, &network, &mut comparison)?;
    let exact = match file.find("output_emb64") {
        None if checkpoint.layout() == Layout::GuidedDiffusion => file.find("output"),
        found => found,
    };
    if let Some(exact) = exact {
        let found = forward(file, &network.map(&mut ToDouble), DType::F64, None, &mut ())?;
        comparison.scaled("output in f64", found, exact, DOUBLE);
    }
    Ok(Outcome::Ran(comparison))
}

/// Compares everything in `f32`: modules first, so that the first one that differs is named.
fn single(
    file: &File,
    network: &AnyNetwork,
    comparison: &mut Comparison,
) -> Result<(), GoldenError> {
    let class_waves = matches!(
        network,
        AnyNetwork::Unet(unet) if unet.config().class == Some(ClassInput::Timestep)
    );
    let mut parts = Parts {
        file,
        comparison,
        class_waves,
    };
    let found = forward(file, network, DType::F32, None, &mut parts)?;
    comparison.scaled("output", found, file.shared("output")?, SINGLE);
    if let Some(masked) = file.find("output_masked") {
        let mask = file.shared("encoder_attention_mask")?.tensor(DType::F32)?;
        let found = forward(file, network, DType::F32, Some(mask), &mut ())?;
        comparison.scaled("output with a mask", found, masked, SINGLE);
    }
    if let Some(gradient) = file.find("grad_input") {
        let cotangent: Tensor<4> = file.shared("grad_cotangent")?.tensor(DType::F32)?;
        let x: Tensor<4> = file.shared("input")?.tensor(DType::F32)?;
        let x = x.autodiff().require_grad();
        let output = forward_of(file, network, x.clone(), None, &mut ())?;
        let mut gradients = (output * cotangent).sum().backward();
        let found = x.grad_remove(&mut gradients);
        let found = found.ok_or_else(|| GoldenError::Lacks("a gradient".into()))?;
        let largest = gradient
            .values
            .iter()
            .fold(0.0, |most: f64, g| most.max(g.abs()));
        let recorded = Recorded {
            shape: gradient.shape.clone(),
            values: gradient.values.iter().map(|g| g / largest).collect(),
        };
        comparison.tensor(
            "gradient of the input",
            found / largest,
            &recorded,
            GRADIENT,
        );
    }
    Ok(())
}

fn forward(
    file: &File,
    network: &AnyNetwork,
    dtype: DType,
    mask: Option<Tensor<2>>,
    probe: &mut dyn Probe,
) -> Result<Tensor<4>, GoldenError> {
    let x = file.shared("input")?.tensor(dtype)?;
    forward_of(file, network, x, mask, probe)
}

fn forward_of(
    file: &File,
    network: &AnyNetwork,
    x: Tensor<4>,
    mask: Option<Tensor<2>>,
    probe: &mut dyn Probe,
) -> Result<Tensor<4>, GoldenError> {
    let dtype = x.dtype();
    let time = file.shared("timestep")?;
    let time = Recorded {
        // One time may apply to the whole batch.
        shape: vec![x.dims()[0]],
        values: time
            .values
            .iter()
            .copied()
            .cycle()
            .take(x.dims()[0])
            .collect(),
    };
    let mut conditions = Conditions::none();
    if let Some(class) = file.find("class_labels").or(file.find("y")) {
        conditions = match class.shape.len() {
            1 => {
                let labels: Vec<i64> = class.values.iter().map(|&label| label as i64).collect();
                let labels = TensorData::new(labels, class.shape.clone());
                conditions.with_labels(Tensor::<1, Int>::from_data(labels, &Device::flex()))
            }
            _ => conditions.with_class_vectors(class.tensor(dtype)?),
        };
    }
    if let Some(tokens) = file.find("encoder_hidden_states") {
        let context = Context::new(tokens.tensor(dtype)?);
        conditions = conditions.with_context(match mask {
            Some(mask) => context.with_mask(mask),
            None => context,
        });
    }
    Ok(network.forward_probed(x, time.tensor(dtype)?, &conditions, probe))
}

/// Compares the moments, a draw with the recorded noise, and decoded images.
fn autoencoder(
    file: &File,
    network: Autoencoder,
    comparison: &mut Comparison,
) -> Result<(), GoldenError> {
    let double = network.clone().map(&mut ToDouble);
    for (network, dtype, tolerance) in [(network, DType::F32, SINGLE), (double, DType::F64, DOUBLE)]
    {
        let posterior = network.encode(file.shared("input")?.tensor(dtype)?);
        let (mean, variance) = (posterior.mean.clone(), posterior.log_variance.clone());
        comparison.scaled(
            "mean",
            mean.clone(),
            file.shared("posterior_mean")?,
            tolerance,
        );
        let recorded = file.shared("posterior_logvar")?;
        comparison.scaled("log-variance", variance, recorded, tolerance);
        comparison.scaled("divergence", posterior.kl(), file.shared("kl")?, tolerance);
        let noise: Tensor<4> = file.shared("noise")?.tensor(dtype)?;
        let z = posterior.sample(&mut tweedie::core::Replay::new(vec![noise]));
        comparison.scaled("draw", z, file.shared("z")?, tolerance);
        let z = file.shared("z")?.tensor(dtype)?;
        let recorded = file.shared("decoded")?;
        comparison.scaled("image of the draw", network.decode(z), recorded, tolerance);
        let recorded = file.shared("decoded_mode")?;
        comparison.scaled(
            "image of the mean",
            network.decode(mean),
            recorded,
            tolerance,
        );
    }
    Ok(())
}

/// Compares the outputs of modules as the probe receives them.
struct Parts<'a> {
    file: &'a File,
    comparison: &'a mut Comparison,
    class_waves: bool,
}

impl Parts<'_> {
    fn compare<const D: usize>(&mut self, name: &str, x: &Tensor<D>) {
        if let Some(recorded) = self.file.find(&format!("act/{name}")) {
            // In f32, sinusoids at t = 1000 are off by 6e-5, in the peer too. If the class has its
            // own sinusoids, the record of this name holds those.
            if name == "time_proj" && self.class_waves {
                return;
            }
            let tolerance = if name == "time_proj" {
                1e-4
            } else {
                2.0 * SINGLE
            };
            self.comparison.scaled(name, x.clone(), recorded, tolerance);
        }
    }
}

impl Probe for Parts<'_> {
    fn vectors(&mut self, name: &str, x: &Tensor<2>) {
        self.compare(name, x);
    }
    fn tokens(&mut self, name: &str, x: &Tensor<3>) {
        self.compare(name, x);
    }
    fn images(&mut self, name: &str, x: &Tensor<4>) {
        self.compare(name, x);
    }
}

struct ToDouble;

impl ModuleMapper for ToDouble {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.cast(FloatDType::F64))
    }
}
