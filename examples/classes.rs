//! Draws images of every class at several guidance scales: `cargo run --example classes`.
//!
//! The network learned 32×32 emoji by class and comes with the repository. Each row is a class. The
//! scales share their noise.
//!
//! # Reference
//! Ho & Salimans 2022, "Classifier-free diffusion guidance", arXiv:2207.12598.

use clap::Parser;
use indicatif::ProgressBar;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::prelude::*;
use tweedie_examples::finish;
use tweedie_examples::training::{classes, of_classes};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Draws images of every class at several guidance scales.
#[derive(Parser)]
struct Arguments {
    /// The folder of a network with classes and a row for none
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/emoji"))]
    model: PathBuf,
    /// The guidance scales
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    #[arg(allow_negative_numbers = true)]
    guidance: Vec<f64>,
    /// Images of each class and scale
    #[arg(long, default_value_t = 6)]
    count: usize,
    /// Moves of Heun's method
    #[arg(long, default_value_t = 18)]
    steps: usize,
    /// Seed of the noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The picture to write
    #[arg(long, default_value = "out/classes.png")]
    out: PathBuf,
}

fn main() -> ExitCode {
    finish(draw(&Arguments::parse()))
}

fn draw(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    let model = Model::open(&arguments.model, &device)?;
    let Some(count) = classes(model.config()) else {
        let path = arguments.model.display();
        return Err(format!("{path} has no classes, or no row for none").into());
    };
    if arguments.count == 0 || arguments.guidance.is_empty() || arguments.steps < 2 {
        return Err("--count and --guidance have to be at least one, --steps at least 2".into());
    }
    // From σ = 80 to 0.002.
    let span = Span::new(1.0, 2.5e-5);
    let path = LevelPath::karras(Edm::default(), span, arguments.steps - 1, 7.0)?.then_clean();
    let sampler = Sampler::new(RungeKutta::heun(), path);
    let null = of_classes(&[count], &device);
    let bar = ProgressBar::new((count * arguments.guidance.len()) as u64);
    let scale = (64 / model.config().size[0]).max(1);
    let columns = arguments.guidance.iter().flat_map(|guidance| {
        let first = format!("guidance {guidance}");
        std::iter::once(first).chain(vec![String::new(); arguments.count - 1])
    });
    let mut sheet = Sheet::new().with_scale(scale).with_columns(columns);
    for class in 0..count {
        let rows = of_classes(&vec![class; arguments.count], &device);
        let mut row = Vec::new();
        for &guidance in &arguments.guidance {
            let guided = model.guided(rows.clone(), null.clone(), guidance)?;
            let mut noise = HostNoise::seeded(arguments.seed + class as u64);
            let x = sampler.start(model.shape(arguments.count), &device, &mut noise)?;
            row.push(sampler.sample(&guided, x, &mut noise)?);
            bar.inc(1);
        }
        sheet = sheet.with_row("", Tensor::cat(row, 0), ValueRange::Signed)?;
    }
    bar.finish_and_clear();
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    sheet.save(&arguments.out)?;
    println!("picture: {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}
