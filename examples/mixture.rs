//! Compares samplers with the exact answer: `cargo run --example mixture`.
//!
//! The prior is a mixture of Gaussians in the plane. Its denoiser has a closed form, so any error
//! comes from the sampler. The sliced Wasserstein distance to exact draws is compared with that
//! between two sets of exact draws.

use clap::Parser;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::image::{Cloud, scatter};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Mask;
use tweedie::inverse::posterior::Dps;
use tweedie::math::{EulerMaruyama, EulerOde, ReverseDiffusion};
use tweedie::metrics::sliced_wasserstein;
use tweedie::prelude::*;
use tweedie_examples::{finish, three_clusters};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compares samplers with the exact answer.
#[derive(Parser)]
struct Arguments {
    /// The picture to write
    #[arg(long, default_value = "out/mixture.png")]
    out: PathBuf,
    /// Steps of each sampler
    #[arg(long, default_value_t = 50)]
    steps: usize,
    /// Points drawn by each sampler
    #[arg(long, default_value_t = 4000)]
    points: usize,
}

fn main() -> ExitCode {
    finish(mixture(&Arguments::parse()))
}

fn mixture(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    if arguments.points == 0 {
        return Err("--points has to be at least 1".into());
    }
    let device = Device::default();
    let prior = three_clusters()?;
    let exact = prior.sample(arguments.points, 1, &device);
    let again = prior.sample(arguments.points, 2, &device);
    let distance = |x: &Tensor<2>, y: &Tensor<2>| sliced_wasserstein(x, y, 2.0, 100, 0);

    let vp = VariancePreserving::default();
    let steps = arguments.steps;
    let uniform = LevelPath::uniform(vp, Span::default(), steps)?.then_clean();
    let karras = LevelPath::karras(vp, Span::default(), steps, 7.0)?.then_clean();
    let large = Ancestral::large();
    let samplers: Vec<(&str, Box<dyn Kernel>, &LevelPath)> = vec![
        (
            "DDPM, small variance",
            Box::new(Ancestral::default()),
            &uniform,
        ),
        ("DDPM, large variance", Box::new(large), &uniform),
        ("DDIM η = 0.5", Box::new(Ddim::new(0.5)?), &karras),
        ("DDIM η = 0", Box::new(Ddim::deterministic()), &karras),
        ("Euler flow", Box::new(EulerOde::new(vp)), &uniform),
        ("Euler–Maruyama", Box::new(EulerMaruyama::new(vp)), &uniform),
        ("reverse diffusion", Box::new(ReverseDiffusion), &uniform),
    ];
    println!(
        "sliced W₂ to exact draws ({steps} steps, {} points)",
        arguments.points
    );
    println!("{:24} {:.4}", "other exact draws", distance(&again, &exact));
    let mut clouds = Vec::new();
    let mut report = |name: &str, points: Tensor<2>, truth: &Tensor<2>| {
        let distance = distance(&points, truth);
        println!("{name:24} {distance:.4}");
        let title = format!("{name}: {distance:.3}");
        clouds.push(Cloud { title, points });
    };
    let shape = [arguments.points, 2];
    for (name, kernel, path) in samplers {
        let mut noise = HostNoise::seeded(0);
        let sampler = Sampler::new(kernel, path.clone());
        let x = sampler.start(shape, &device, &mut noise)?;
        report(name, sampler.sample(&prior, x, &mut noise)?, &exact);
    }
    let mut noise = HostNoise::seeded(0);
    let heun = Sampler::new(RungeKutta::heun(), karras.clone());
    let x = heun.start(shape, &device, &mut noise)?;
    report("Heun", heun.sample(&prior, x, &mut noise)?, &exact);

    // Draw from the posterior given the first coordinate, y = x₁ + 0.3 n = 0.4: exactly and by DPS.
    let posterior = prior.posterior(&[vec![1.0, 0.0]], &[0.4], 0.3)?;
    let truth = posterior.sample(arguments.points, 3, &device);
    let kept = Tensor::<2>::from_floats([[1.0, 0.0]], &device).greater_scalar(0.5);
    let y = Tensor::from_floats([[0.4, 0.0]], &device);
    let measured = Measurement::new(Mask::new(kept), GaussianNoise::new(0.3)?, y);
    let sampler = Sampler::new(Ddim::ancestral(), uniform);
    println!("to exact draws from the posterior of y = x₁ + 0.3 n = 0.4");
    let x = sampler.start(shape, &device, &mut noise)?;
    report(
        "exact posterior, DDPM",
        sampler.sample(&posterior, x.clone(), &mut noise)?,
        &truth,
    );
    report(
        "DPS, DDPM",
        sampler.sample(&Dps::new(&prior, &measured), x, &mut noise)?,
        &truth,
    );

    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    scatter(&arguments.out, &clouds, &exact, 3.5, 5)?;
    println!("picture: {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}
