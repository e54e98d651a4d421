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
use tweedie::models::seeded;
use tweedie::prelude::*;
use tweedie::samplers::AnyStep;
use tweedie_benches::{mnist_size, peak};
use tweedie_catalogue::{Setup, posterior_methods};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Inpainting = Measurement<4, Mask<4>, GaussianNoise>;
type Method = tweedie_catalogue::Method<4, Inpainting>;

/// The denoiser alone, moved by DDPM.
const UNGUIDED: &str = "unguided";

/// The prior without guidance, then every method.
fn methods() -> Vec<&'static str> {
    let all: Vec<Method> = posterior_methods();
    let all = all.iter().map(|method| method.id);
    [UNGUIDED].into_iter().chain(all).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [network, method] = &arguments[..] {
        return one(network, method);
    }
    for network in ["cifar", "small"] {
        println!("| {network} | evaluations | ms a move | in forward passes | peak MB |");
        println!("|---|---|---|---|---|");
        let mut forward = None;
        for method in methods() {
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
    let once = Measurement::new(m.operator.clone(), m.noise, m.y.clone().narrow(0, 0, 1));
    let levels = [0.6, 0.55].map(|t| VariancePreserving::default().level(t));
    let path = LevelPath::through(levels.to_vec())?;
    let mut all: Vec<Method> = posterior_methods();
    all.retain(|listed| listed.id == method);
    let is_ensemble = all.iter().any(|method| method.is_ensemble);
    let particles = if is_ensemble { batch.max(2) } else { batch };
    let setup = Setup {
        once: &once,
        curvature: 100.0,
        iterations: Some(3),
        particles,
        ..Setup::new(&prior, &m, path.clone())
    };
    let ddpm = AnyStep::new(Ancestral::default());
    let (denoiser, step, path): (Box<dyn Denoiser<4> + '_>, _, _) = match all.first() {
        Some(method) => {
            let parts = method.build(&setup)?;
            let step = parts.step_or_ddpm();
            (parts.denoiser, step, parts.route.path(path, 1, 0.1)?)
        }
        None if method == UNGUIDED => (Box::new(&prior), ddpm, path),
        None => return Err(format!("no method {method}").into()),
    };
    let x = noise.normal([particles, shape[1], shape[2], shape[3]], &device);
    let sampler = Sampler::new(step, path);
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
