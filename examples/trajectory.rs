//! Shows four samplers on the way from noise to image: `cargo run --example trajectory`.
//!
//! The bundled network is sampled by DDPM in 1000 steps, DDIM in 50, Heun's method in 18 and
//! DPM-Solver++ 2M in 15. Film strips show the state `x_t` and the estimate `x̂₀`
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

/// Shows four samplers on the way from noise to image.
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
    /// Steps of DDPM; the other samplers have fixed numbers of steps
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The number of states shown of a run, including the initial noise and the result.
const MOMENTS: usize = 11;

fn main() -> ExitCode {
    finish(trajectory(&Arguments::parse()))
}

/// A state, its estimate of the clean image, and a label with its time.
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
    // The long runs start at almost pure noise. With few steps it is better to start at σ/α = 32.
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
            // Keep evenly spaced states, including the last one.
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
    // One row per sampler; shorter runs repeat their last frame.
    let longest = films.iter().map(Vec::len).max().unwrap_or(0);
    let frame = |k: usize| {
        let rows = films
            .iter()
            .map(|film| film[k.min(film.len() - 1)].x.clone());
        Tensor::cat(rows.collect(), 0)
    };
    // Show the results for six more frames.
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

/// Divides a state by `√(α² + σ²)`, so that its noise is not clipped in the picture.
fn visible(x: &Tensor<4>, level: Level) -> Tensor<4> {
    x.clone() / level.rms()
}
