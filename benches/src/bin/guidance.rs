//! Time and peak memory of one move of each posterior method, each in a separate process:
//! `cargo build --profile measure --workspace --bins`, then `target/measure/guidance`.
//!
//! The prior is a network with random weights. The measurement is an image with half of its pixels
//! missing.

use std::error::Error;
use std::process::Command;
use std::time::Instant;
use tweedie::core::Counting;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Mask;
use tweedie::inverse::posterior::{
    Daps, Ddnm, DdnmPlus, Ddrm, DiffPir, Dps, DpsStep, EnKg, Lgd, Mcg, Mmps, Pigdm, PnpDm, RePaint,
    RedDiff, Tmpd,
};
use tweedie::math::Renoise;
use tweedie::models::seeded;
use tweedie::prelude::*;
use tweedie::samplers::AnyStep;
use tweedie_benches::{mnist_size, peak};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const METHODS: [&str; 17] = [
    "unguided",
    "DPS",
    "DPS-published",
    "PiGDM",
    "MMPS-3",
    "TMPD",
    "LGD-10",
    "DDNM",
    "DDNM+",
    "DiffPIR",
    "DDRM",
    "RePaint",
    "MCG",
    "DAPS",
    "PnP-DM",
    "EnKG",
    "RED-diff",
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [network, method] = &arguments[..] {
        return one(network, method);
    }
    for network in ["cifar", "small"] {
        println!("| {network} | evaluations | ms a move | in forward passes | peak MB |");
        println!("|---|---|---|---|---|");
        let mut forward = None;
        for method in METHODS {
            let mut command = Command::new(std::env::current_exe()?);
            let output = command.args([network, method]).output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let numbers: Vec<f64> = text.split_whitespace().flat_map(str::parse).collect();
            let [evaluations, seconds, peak] = numbers[..] else {
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("{method}: {error}").into());
            };
            let forward = *forward.get_or_insert(seconds);
            let (ms, ratio) = (1e3 * seconds, seconds / forward);
            println!("| {method} | {evaluations} | {ms:.0} | {ratio:.2} | {peak:.0} |");
        }
    }
    Ok(())
}

/// Prints the evaluations of a move, the least time of five moves, and the peak memory.
fn one(network: &str, method: &str) -> Result<(), Box<dyn Error>> {
    let device = Device::flex();
    let (config, batch) = match network {
        "cifar" => (UnetConfig::ddpm_cifar10(), 1),
        _ => (mnist_size(), 8),
    };
    let shape = [batch, config.channels, 32, 32];
    let unet = seeded(0, &device, config.init(&device)?);
    let model = Preconditioned::new(unet, Prediction::Noise, TimeInput::LogSnr);
    let prior = Counting::new(&model);
    let mut noise = HostNoise::seeded(0);
    let truth = noise.normal(shape, &device);
    let mask = Mask::random([32, 32], 0.5, 0)?;
    let m = Measurement::simulate(mask, GaussianNoise::new(0.1)?, truth, &mut noise)?;
    let kernel = Ancestral::default();
    let ddpm = AnyStep::new(kernel);
    let ensemble = Measurement::new(m.operator.clone(), m.noise, m.y.clone().narrow(0, 0, 1));
    let (denoiser, step): (Box<dyn Denoiser<4> + '_>, AnyStep<4>) = match method {
        "DPS" => (Box::new(Dps::new(&prior, &m)), ddpm),
        "PiGDM" => (Box::new(Pigdm::new(&prior, &m)), ddpm),
        "MMPS-3" => (Box::new(Mmps::new(&prior, &m).with_iterations(3)?), ddpm),
        "TMPD" => (Box::new(Tmpd::new(&prior, &m)), ddpm),
        "LGD-10" => (Box::new(Lgd::new(&prior, &m)), ddpm),
        "DDNM" => (Box::new(Ddnm::new(&prior, &m)), ddpm),
        "DiffPIR" => {
            let step = AnyStep::new(Renoise::new(0.3)?);
            (Box::new(DiffPir::new(&prior, &m)), step)
        }
        other => {
            let step = match other {
                "unguided" => ddpm,
                "DPS-published" => AnyStep::new(DpsStep::new(kernel, m.clone()).with_zeta(1.0)?),
                "DDNM+" => AnyStep::new(DdnmPlus::new(Ddim::new(0.85)?, m.clone())),
                "DDRM" => AnyStep::new(Ddrm::new(m.clone())),
                "RePaint" => AnyStep::new(RePaint::new(kernel, m.clone())),
                "MCG" => AnyStep::new(Mcg::new(kernel, m.clone()).with_zeta(1.0)?),
                "DAPS" => AnyStep::new(Daps::new(m.clone())),
                "PnP-DM" => AnyStep::new(PnpDm::new(m.clone())),
                "EnKG" => {
                    let step = EnKg::new(Ddim::deterministic(), ensemble);
                    AnyStep::new(step.with_particles(batch.max(2))?)
                }
                "RED-diff" => AnyStep::new(RedDiff::new(m.clone())),
                _ => return Err(format!("no method {method}").into()),
            };
            (Box::new(&prior), step)
        }
    };
    let particles = if method == "EnKG" {
        batch.max(2)
    } else {
        batch
    };
    let x = noise.normal([particles, shape[1], shape[2], shape[3]], &device);
    let levels = [0.6, 0.55].map(|t| VariancePreserving::default().level(t));
    let sampler = Sampler::new(step, LevelPath::through(levels.to_vec())?);
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let began = Instant::now();
        let x = sampler.sample(&*denoiser, x.clone(), &mut noise)?;
        x.into_data();
        least = least.min(began.elapsed().as_secs_f64());
    }
    let peak = peak();
    println!("{} {least} {peak}", prior.evaluations() / 5);
    Ok(())
}
