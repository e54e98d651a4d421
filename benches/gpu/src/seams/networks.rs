//! Networks with random weights: outputs, gradients by the input, training losses.

use super::normal;
use crate::seam::{Seam, numbers};
use tweedie::burn::module::{Module, ModuleMapper, Param};
use tweedie::burn::tensor::DType;
use tweedie::core::{Levels, vjp};
use tweedie::models::{AnyArchitecture, Architecture, AutoencoderConfig, Ffdnet, seeded};
use tweedie::prelude::*;
use tweedie_benches::{CaseError, in_precision};
use tweedie_catalogue::{NamedArchitecture, architectures};

const SHAPE: [usize; 4] = [2, 3, 16, 16];

/// Draws weights on the CPU and adds noise, because the last convolutions of blocks start at 0.
fn weights<N: Module>(
    device: &Device,
    build: impl FnOnce(&Device) -> Result<N, CaseError>,
) -> Result<N, CaseError> {
    struct Stir(u64);
    impl ModuleMapper for Stir {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let mut noise = HostNoise::seeded(self.0);
            param.map(|values| noise.normal_like(&values) * 0.05 + values)
        }
    }
    let host = Device::flex();
    let network = seeded(0, &host, build(&host)?).map(&mut Stir(0));
    Ok(network.to_device(device))
}

/// Compares bf16 on a device with `f32` on the CPU: the output of a network, and its loss.
pub(crate) fn half_precision() -> Seam {
    let config = architectures().swap_remove(0).config;
    Seam::new("U-Net and its loss in bf16", 0.1, move |device| {
        narrow(&config, device)
    })
}

pub(crate) fn seams() -> Vec<Seam> {
    let mut seams = Vec::new();
    for NamedArchitecture { name, config } in architectures() {
        let given = config.clone();
        seams.push(network(name, move |device| Ok(given.init(device)?)));
        seams.push(training(format!("training, {name}"), config));
    }
    seams.push(Seam::new("autoencoder", 1e-3, |device| {
        let config = AutoencoderConfig::new()
            .with_widths(vec![16, 32])
            .with_blocks(1)
            .with_groups(8);
        let autoencoder = weights(device, |host| Ok(config.init(host)?))?;
        let code = autoencoder.encode(normal(0, SHAPE, device)).mean;
        let mut found = numbers(code.clone());
        found.extend(numbers(autoencoder.decode(code)));
        Ok(found)
    }));
    seams.push(Seam::new("FFDNet", 1e-3, |device| {
        let network = weights(device, |host| Ok(Ffdnet::colour(host)))?;
        let level = VariancePreserving::default().level(0.3);
        Ok(numbers(network.denoise(normal(0, SHAPE, device), level)?))
    }));
    seams
}

/// The output of a denoiser, and a vector–Jacobian product.
fn network<N>(
    name: impl Into<String>,
    build: impl Fn(&Device) -> Result<N, CaseError> + 'static,
) -> Seam
where
    N: Network<4> + Module,
{
    Seam::new(name, 1e-3, move |device| {
        let network = weights(device, &build)?;
        let model = Preconditioned::new(network, Prediction::Noise, TimeInput::LogSnr);
        let process = VariancePreserving::default();
        let levels = Levels::new([0.3, 0.7].map(|t| process.level(t)).to_vec());
        let (y, pullback) = vjp(normal(0, SHAPE, device), |x| model.predict(x, &levels));
        let mut found = numbers(y);
        found.extend(numbers(pullback.apply(normal(1, SHAPE, device))));
        Ok(found)
    })
}

/// Losses and gradient norms over some steps. (The weights are not compared: Adam's first steps
/// follow the signs of the gradient, which rounding may flip.)
fn training(name: String, config: AnyArchitecture) -> Seam {
    Seam::new(name, 1e-2, move |device| {
        let network = weights(device, |host| Ok(config.init(host)?))?;
        let model = Preconditioned::new(network, Prediction::Noise, TimeInput::LogSnr);
        let settings = TrainSettings::default().with_batch(4).with_steps(3);
        let objective = ScoreMatching::new(VariancePreserving::default());
        let mut trainer = Trainer::new(model, objective, settings)?;
        let x = normal(0, [8, 3, 16, 16], device);
        let mut found = Vec::new();
        while let Some(report) = trainer.step(&x)? {
            found.extend([report.loss, report.gradient_norm].map(|x| x as f32));
        }
        Ok(found)
    })
}

/// The output of a network in bf16, or in `f32` on the CPU, and its loss.
fn narrow(config: &AnyArchitecture, device: &Device) -> Result<Vec<f32>, CaseError> {
    let dtype = match *device == Device::flex() {
        true => DType::F32,
        false => DType::BF16,
    };
    let network = in_precision(weights(device, |host| Ok(config.init(host)?))?, dtype);
    let model = Preconditioned::new(network, Prediction::Noise, TimeInput::LogSnr);
    let [x, noise] = [0, 1].map(|seed| normal(seed, SHAPE, device).cast(dtype));
    let process = VariancePreserving::default();
    let times = [0.3, 0.7];
    let levels = Levels::new(times.map(|t| process.level(t)).to_vec());
    let mut found = numbers(model.predict(x.clone(), &levels));
    let loss = ScoreMatching::new(process)
        .loss(&model, x, &times, noise)
        .map_err(|error| error.to_string())?;
    found.extend(numbers(loss));
    Ok(found)
}
