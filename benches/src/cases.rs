//! Workloads of whole networks, each named by a string.

use crate::{adm_256, layers, mnist_size};
use std::time::Instant;
use tweedie::burn::module::{Module, ModuleMapper, Param};
use tweedie::burn::tensor::DType;
use tweedie::core::Levels;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Mask;
use tweedie::inverse::posterior::DpsStep;
use tweedie::models::{Unet, seeded};
use tweedie::prelude::*;

/// Why a case could not run.
pub type CaseError = Box<dyn std::error::Error>;

/// Returns the least time in ms of a run of `NETWORK/WORK/BATCH`.
///
/// The weights are random, in `dtype`. After a first run, it takes at least three runs, and as many
/// as fit into `seconds`.
///
/// Networks: `ddpm-cifar10` and `mnist-size` on 32×32 pixels, `adm-256`. Work: `forward`, `dps`
/// (one step), `training` (one step, no dropout), `ddim` (50 steps).
///
/// Single layers: `convolution` 3×3 from 128 to 128 channels, `group-norm` of 32 groups and `silu`
/// on 32×32 pixels, `attention` of 4 heads with 64 features between 256 tokens. Their work:
/// `forward`, `dps` (the gradient of the sum by the input), `training` (all gradients of the sum).
///
/// # Errors
/// If the case is not one of these, or if its run fails.
pub fn measure(case: &str, seconds: f64, device: &Device, dtype: DType) -> Result<f64, CaseError> {
    let words: Vec<&str> = case.split('/').collect();
    let [network, work, batch] = words[..] else {
        return Err(format!("a case is NETWORK/WORK/BATCH, found {case}").into());
    };
    let batch: usize = batch.parse()?;
    if let Some((tensors, layer)) = layers::layer(network, batch, device, dtype) {
        return least(seconds, || layers::run(&layer, &tensors, work));
    }
    let (config, side) = match network {
        "ddpm-cifar10" => (UnetConfig::ddpm_cifar10().with_dropout(0.0), 32),
        "mnist-size" => (mnist_size(), 32),
        "adm-256" => (adm_256(), 256),
        _ => return Err(format!("no network {network}").into()),
    };
    let unet = seeded(0, device, config.init(device)?);
    let unet = in_precision(unet, dtype);
    let model: Preconditioned<Unet> =
        Preconditioned::new(unet, Prediction::Noise, TimeInput::LogSnr);
    let mut noise = HostNoise::seeded(0);
    let x = noise.normal([batch, config.channels, side, side], device);
    let x = x.cast(dtype);
    let process = VariancePreserving::default();
    match work {
        "forward" => {
            let levels = Levels::new(vec![process.level(0.5); batch]);
            least(seconds, || {
                let y = model.predict(x.clone(), &levels);
                Ok(y.device().sync()?)
            })
        }
        "dps" => {
            let mask = Mask::random([side, side], 0.5, 0)?;
            let m = Measurement::simulate(mask, GaussianNoise::new(0.1)?, x.clone(), &mut noise)?;
            let step = DpsStep::new(Ancestral::default(), m).with_zeta(1.0)?;
            let levels = [0.6, 0.55].map(|t| process.level(t));
            let sampler = Sampler::new(step, LevelPath::through(levels.to_vec())?);
            least(seconds, || {
                let x = sampler.sample(&model, x.clone(), &mut noise)?;
                Ok(x.device().sync()?)
            })
        }
        "ddim" => {
            let path = LevelPath::uniform(process, Span::default(), 50)?;
            let sampler = Sampler::new(Ddim::deterministic(), path);
            least(seconds, || {
                let x = sampler.sample(&model, x.clone(), &mut noise)?;
                Ok(x.device().sync()?)
            })
        }
        "training" => {
            let settings = TrainSettings::default()
                .with_batch(batch)
                .with_steps(usize::MAX);
            let mut trainer = Trainer::new(model, ScoreMatching::new(process), settings)?;
            least(seconds, || {
                trainer.step(&x)?;
                Ok(x.device().sync()?)
            })
        }
        _ => Err(format!("no work {work}").into()),
    }
}

/// Casts the parameters of a network to another dtype.
#[must_use]
pub fn in_precision<N: Module>(network: N, dtype: DType) -> N {
    network.map(&mut Cast(dtype))
}

struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| values.cast(self.0))
    }
}

fn least(seconds: f64, mut run: impl FnMut() -> Result<(), CaseError>) -> Result<f64, CaseError> {
    run()?;
    let (mut least, mut runs, all) = (f64::INFINITY, 0, Instant::now());
    while runs < 3 || all.elapsed().as_secs_f64() < seconds {
        let began = Instant::now();
        run()?;
        least = least.min(began.elapsed().as_secs_f64());
        runs += 1;
    }
    Ok(1e3 * least)
}
