//! One case of the comparison with PyTorch, in a process of its own: `target/debug/examples/peer CASE SECONDS`
//! prints the least time of a run in ms, and the peak memory in MB. `cargo xtask peers PYTHON` runs it beside
//! `benches/peers/peer.py` and writes the table of `docs/BENCHMARKS.md`.

use std::error::Error;
use std::time::Instant;
use tweedie::core::Levels;
use tweedie::inverse::{DpsStep, GaussianNoise, Mask, Measurement};
use tweedie::models::{Unet, seeded};
use tweedie::prelude::*;
use tweedie_benches::{mnist_size, peak};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [case, seconds] = words[..] else {
        return Err("usage: peer CASE SECONDS".into());
    };
    let least = measure(case, seconds.parse()?)?;
    println!("{least} {}", peak());
    Ok(())
}

fn measure(case: &str, seconds: f64) -> Result<f64, Box<dyn Error>> {
    let (network, rest) = case.split_once('/').ok_or("a case is NETWORK/WORK/BATCH")?;
    let (work, batch) = rest.split_once('/').ok_or("a case is NETWORK/WORK/BATCH")?;
    let batch: usize = batch.parse()?;
    let config = match network {
        "ddpm-cifar10" => UnetConfig::ddpm_cifar10(),
        "mnist-size" => mnist_size(),
        _ => return Err(format!("no network {network}").into()),
    };
    let device = Device::flex();
    let unet = seeded(0, &device, config.init(&device)?);
    let model: Preconditioned<Unet> =
        Preconditioned::new(unet, Prediction::Noise, TimeInput::LogSnr);
    let mut noise = HostNoise::seeded(0);
    let x = noise.normal([batch, config.channels, 32, 32], &device);
    let process = VariancePreserving::default();
    match work {
        "forward" => {
            let levels = Levels::new(vec![process.level(0.5); batch]);
            Ok(least(seconds, || {
                model.predict(x.clone(), &levels).into_data();
                Ok(())
            })?)
        }
        "dps" => {
            let mask = Mask::random([32, 32], 0.5, 0)?;
            let m = Measurement::simulate(mask, GaussianNoise::new(0.1)?, x.clone(), &mut noise)?;
            let step = DpsStep {
                kernel: Ancestral::default(),
                operator: m.operator.clone(),
                y: m.y.clone(),
                zeta: 1.0,
            };
            let levels = [0.6, 0.55].map(|t| process.level(t));
            let sampler = Sampler::new(step, Path::through(levels.to_vec())?);
            least(seconds, || {
                sampler.sample(&model, x.clone(), &mut noise)?.into_data();
                Ok(())
            })
        }
        "training" => {
            let settings = Settings {
                batch,
                steps: usize::MAX,
                ..Settings::default()
            };
            let mut trainer = Trainer::new(model, Objective::new(process), settings)?;
            least(seconds, || {
                trainer.step(&x)?;
                Ok(())
            })
        }
        _ => Err(format!("no work {work}").into()),
    }
}

/// The least time in ms, of at least three runs after the first.
fn least(
    seconds: f64,
    mut run: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
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
