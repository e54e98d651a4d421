//! From noise to image, four ways: `cargo run --example trajectory`.
//!
//! The network of the repository walks the same process by DDPM in 1000 steps, DDIM in 50, Heun's
//! method in 18 and DPM-Solver++ 2M in 15. Film strips show the state `x_t` and the estimate `x̂₀`
//! on the way, from left (noise) to right, and an animation shows all four at once.

use clap::Parser;
use indicatif::ProgressBar;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tweedie::image::{film_strip, save_gif};
use tweedie::prelude::*;
use tweedie::samplers::AnyStep;
use tweedie_examples::finish;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// From noise to image, four ways.
#[derive(Parser)]
struct Arguments {
    /// The folder of a trained model
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/fashion-mnist"))]
    model: PathBuf,
    /// The folder to write to
    #[arg(long, default_value = "out/trajectory")]
    out: PathBuf,
    /// Images in each run
    #[arg(long, default_value_t = 4)]
    images: usize,
    /// Steps of DDPM; the others take their own
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Everything random follows from it
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Moments of a run that are shown, noise and result included.
const MOMENTS: usize = 11;

fn main() -> ExitCode {
    finish(trajectory(&Arguments::parse()))
}

/// The state and the estimate at a moment, with the time it stands for.
struct Moment {
    label: String,
    x: Tensor<4>,
    clean: Option<Tensor<4>>,
}

fn trajectory(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    if arguments.images == 0 {
        return Err("--images has to be at least 1".into());
    }
    let device = Device::default();
    let model = Model::open(&arguments.model, &device)?;
    let schedule = Cosine::default();
    // The chain starts where next to nothing is left of the signal; few steps are better spent
    // below σ/α = 32.
    let (chain, short) = (Span::new(0.999, 0.0), Span::new(0.98, 1e-3));
    let karras = |steps: usize| LevelPath::karras(schedule, short, steps - 1, 7.0);
    let runs: [(&str, &str, AnyStep<4>, LevelPath); 4] = [
        (
            "ddpm",
            "DDPM",
            AnyStep::new(Ancestral::default()),
            LevelPath::uniform(schedule, chain, arguments.steps)?,
        ),
        (
            "ddim",
            "DDIM",
            AnyStep::new(Ddim::deterministic()),
            LevelPath::uniform(schedule, chain, 50)?,
        ),
        (
            "heun",
            "Heun",
            AnyStep::new(RungeKutta::heun()),
            karras(18)?.then_clean().without_scaling()?,
        ),
        (
            "dpm-solver",
            "DPM-Solver++ 2M",
            AnyStep::new(DpmSolverMultistep::plus_plus(Order::Second)),
            karras(15)?.then_clean(),
        ),
    ];
    std::fs::create_dir_all(&arguments.out)?;
    let shape = model.shape(arguments.images);
    let mut films: Vec<Vec<Moment>> = Vec::new();
    for (file, name, step, path) in runs {
        let began = Instant::now();
        let sampler = Sampler::new(step, path);
        let mut noise = HostNoise::seeded(arguments.seed);
        let x = sampler.start(shape, &device, &mut noise)?;
        let bar = ProgressBar::new(sampler.path().len() as u64).with_message(name);
        let label = |level: Level| format!("t = {:.0}", 1000.0 * schedule.time(level.log_snr()));
        let start = sampler.path().start();
        let mut film = vec![Moment {
            label: label(start),
            x: visible(&x, start),
            clean: None,
        }];
        let (count, mut evaluations) = (sampler.path().len(), 0);
        for (k, state) in sampler.trajectory(&model, x, &mut noise)?.enumerate() {
            let state = state?;
            bar.inc(1);
            evaluations = state.evaluations;
            // Evenly spaced, the last included.
            let shown = |k: usize| k * (MOMENTS - 1) / count;
            if shown(k + 1) > shown(k) {
                film.push(Moment {
                    label: label(state.level),
                    x: visible(&state.x, state.level),
                    clean: state.clean,
                });
            }
        }
        bar.finish_and_clear();
        let states = film.iter().map(|m| (m.label.clone(), m.x.clone()));
        let estimates = film
            .iter()
            .filter_map(|m| Some((m.label.clone(), m.clean.clone()?)));
        for (kind, moments) in [
            ("x", states.collect::<Vec<_>>()),
            ("clean", estimates.collect()),
        ] {
            let path = arguments.out.join(format!("{file}-{kind}.png"));
            film_strip(&moments, ValueRange::Signed, 2)?.save(&path)?;
            println!("{}", path.display());
        }
        let seconds = began.elapsed().as_secs_f64();
        println!("{name}: {count} steps, {evaluations} evaluations, {seconds:.1} s");
        films.push(film);
    }
    // One row a method; shorter films wait at their end.
    let longest = films.iter().map(Vec::len).max().unwrap_or(0);
    let frame = |k: usize| {
        let rows = films
            .iter()
            .map(|film| film[k.min(film.len() - 1)].x.clone());
        Tensor::cat(rows.collect(), 0)
    };
    // The result stays for a while.
    let frames: Vec<Tensor<4>> = (0..longest + 6).map(frame).collect();
    let path = arguments.out.join("all.gif");
    let pause = Duration::from_millis(180);
    save_gif(
        &path,
        &frames,
        ValueRange::Signed,
        arguments.images,
        3,
        pause,
    )?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// A state scaled to the variance of the data, so that its noise can be seen and is not cut off.
fn visible(x: &Tensor<4>, level: Level) -> Tensor<4> {
    x.clone() / level.rms()
}
