//! Small trainings that differ in one setting, compared by their samples.
//!
//! `cargo run -p tweedie-benches --bin training [-- --only WORD]`
//!
//! A U-Net learns the bundled 8×8 digits for 40,000 images. The tool prints the energy distance of
//! 1,000 samples to all digits, and writes a picture with a row of samples of each run.

use clap::Parser;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;
use tweedie::burn::module::Module;
use tweedie::burn::tensor::s;
use tweedie::core::StaticClip;
use tweedie::math::{AnySchedule, Edm, TimeDensity};
use tweedie::metrics::energy_distance;
use tweedie::models::seeded;
use tweedie::prelude::*;
use tweedie::train::{
    Decay, EmaDecay, LearnedWeight, LearningRate, Loss, LossAware, Objective, ProgressLine,
    Weighted,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compares small trainings.
#[derive(Parser)]
struct Arguments {
    /// Only runs whose name contains this word
    #[arg(long, default_value = "")]
    only: String,
    /// Images in each run
    #[arg(long, default_value_t = 40_000)]
    images: usize,
    /// The picture to write
    #[arg(long, default_value = "out/training.png")]
    out: PathBuf,
}

type Model = Preconditioned<tweedie::models::Unet>;

/// What differs between the runs.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    schedule: Process,
    prediction: Prediction,
    weighting: Weighting,
    rate: f64,
    batch: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Process {
    Cosine,
    Edm,
}

#[derive(Clone, Copy)]
enum Kind {
    Plain,
    LossAware,
    LearnedWeight,
}

const BASE: Case = Case {
    name: "velocity, cosine",
    schedule: Process::Cosine,
    prediction: Prediction::Velocity,
    weighting: Weighting::Uniform,
    rate: 2e-3,
    batch: 32,
    kind: Kind::Plain,
};

fn cases() -> Vec<Case> {
    let sigma_data = SIGMA_DATA;
    vec![
        BASE,
        Case {
            name: "noise, cosine",
            prediction: Prediction::Noise,
            ..BASE
        },
        Case {
            name: "clean image, cosine",
            prediction: Prediction::Clean,
            ..BASE
        },
        Case {
            name: "EDM",
            schedule: Process::Edm,
            prediction: Prediction::Edm { sigma_data },
            ..BASE
        },
        Case {
            name: "velocity, SNR weights",
            weighting: Weighting::Snr,
            ..BASE
        },
        Case {
            name: "velocity, min-SNR 5",
            weighting: Weighting::MinSnr { gamma: 5.0 },
            ..BASE
        },
        Case {
            name: "velocity, learned weights",
            kind: Kind::LearnedWeight,
            ..BASE
        },
        Case {
            name: "velocity, loss-aware times",
            kind: Kind::LossAware,
            ..BASE
        },
        Case {
            name: "rate 5e-4",
            rate: 5e-4,
            ..BASE
        },
        Case {
            name: "rate 1e-3",
            rate: 1e-3,
            ..BASE
        },
        Case {
            name: "rate 4e-3",
            rate: 4e-3,
            ..BASE
        },
        Case {
            name: "rate 8e-3",
            rate: 8e-3,
            ..BASE
        },
        Case {
            name: "batch 8",
            batch: 8,
            ..BASE
        },
        Case {
            name: "batch 16",
            batch: 16,
            ..BASE
        },
        Case {
            name: "batch 64",
            batch: 64,
            ..BASE
        },
        Case {
            name: "batch 128",
            batch: 128,
            ..BASE
        },
    ]
}

/// The standard deviation of the digits in `[−1, 1]`.
const SIGMA_DATA: f64 = 0.752;

/// The decays of the averages of each run. The last counts in the table.
const DECAYS: [f64; 4] = [0.0, 0.9, 0.99, 0.995];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let device = Device::default();
    let digits = Images::digits()?.tensor(ValueRange::Signed, &device);
    let pixels = digits.clone().flatten::<2>(1, 3);
    // Every other digit, since the first half has other writers than the second.
    let halves = [0, 1].map(|first| pixels.clone().slice(s![first..; 2, ..]));
    let floor = energy_distance(&halves[0], &halves[1]);
    println!("two halves of the digits: {floor:.4}");
    println!("| run | decay 0 | 0.9 | 0.99 | 0.995 | seconds |");
    println!("|---|---|---|---|---|---|");
    let mut sheet = Sheet::new().with_scale(5);
    for case in cases() {
        if !case.name.contains(&arguments.only) {
            continue;
        }
        let began = Instant::now();
        let models = trained(case, &digits, arguments.images, &device)?;
        let seconds = began.elapsed().as_secs_f64();
        let mut found = Vec::new();
        for model in &models {
            let samples = samples(case, model, &device)?;
            found.push(energy_distance(&samples.clone().flatten(1, 3), &pixels));
            if found.len() == models.len() {
                let row = samples.narrow(0, 0, 16);
                sheet = sheet.with_row(case.name, row, ValueRange::Signed)?;
            }
        }
        let found: Vec<String> = found.iter().map(|value| format!("{value:.4}")).collect();
        println!("| {} | {} | {seconds:.0} |", case.name, found.join(" | "));
    }
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    sheet.save(&arguments.out)?;
    println!("picture: {}", arguments.out.display());
    Ok(())
}

fn schedule(case: Case) -> AnySchedule {
    match case.schedule {
        Process::Cosine => Cosine::default().into(),
        Process::Edm => Edm::default().into(),
    }
}

/// Trains a network, and returns the averages.
fn trained(
    case: Case,
    digits: &Tensor<4>,
    images: usize,
    device: &Device,
) -> Result<Vec<Model>, Box<dyn Error>> {
    // Sinusoids suit values of some hundreds.
    let (time, scale) = match case.schedule {
        Process::Cosine => (TimeInput::Time(schedule(case)), 1000.0),
        Process::Edm => (TimeInput::Edm, 250.0),
    };
    let config = UnetConfig::new(1)
        .with_widths([16, 32])
        .with_blocks(1)
        .with_groups(Some(8))
        .with_time_scale(scale);
    let network = seeded(0, device, config.init(device)?);
    let model = Preconditioned::new(network, case.prediction, time);
    let density = match case.schedule {
        Process::Cosine => TimeDensity::default(),
        Process::Edm => TimeDensity::LogNormal {
            mean: -1.2 + (SIGMA_DATA / 0.5).ln(),
            std: 1.2,
        },
    };
    let objective = ScoreMatching::new(schedule(case))
        .with_density(density)
        .with_weighting(case.weighting);
    let rate = LearningRate::new(case.rate)
        .with_warmup(50)
        .with_decay(Decay::Cosine);
    let settings = TrainSettings::default()
        .with_steps(images / case.batch)
        .with_batch(case.batch)
        .with_learning_rate(rate)
        .with_emas(DECAYS.map(|decay| {
            // The same length in images for every batch.
            EmaDecay::new(f64::powf(decay, case.batch as f64 / 32.0))
        }));
    Ok(match case.kind {
        Kind::Plain => averages(Trainer::new(model, objective, settings)?, digits)?,
        Kind::LossAware => {
            let objective = LossAware::new(objective).with_intervals(20);
            averages(Trainer::new(model, objective, settings)?, digits)?
        }
        Kind::LearnedWeight => {
            let objective = LearnedWeight(objective);
            let trainer = Trainer::new(Weighted::new(model), objective, settings)?;
            let averages = averages(trainer, digits)?.into_iter();
            averages.map(Weighted::into_model).collect()
        }
    })
}

fn averages<M, O>(mut trainer: Trainer<M, O>, digits: &Tensor<4>) -> Result<Vec<M>, Box<dyn Error>>
where
    M: Module,
    O: Objective<M> + Loss<M, 4>,
{
    let mut line = ProgressLine::new(trainer.settings().steps, 0);
    while let Some(report) = trainer.step(digits)? {
        line.show(&report);
    }
    line.finish();
    let averages = trainer.averages().iter();
    Ok(averages.map(|average| average.average().clone()).collect())
}

/// Draws 1,000 samples by 50 steps of DDIM, with estimates clamped to the images' range.
fn samples(case: Case, model: &Model, device: &Device) -> Result<Tensor<4>, Box<dyn Error>> {
    let path = match case.schedule {
        Process::Edm => LevelPath::karras(schedule(case), Span::new(1.0, 2.5e-5), 49, 7.0)?,
        Process::Cosine => {
            let start = if case.prediction == Prediction::Noise {
                0.999
            } else {
                1.0
            };
            LevelPath::uniform(schedule(case), Span::new(start, 0.0), 50)?
        }
    };
    let sampler = Sampler::new(Ddim::deterministic(), path.then_clean());
    let clipped = StaticClip::new(model, -1.0, 1.0)?;
    let mut noise = HostNoise::seeded(1);
    let mut parts = Vec::new();
    for _ in 0..4 {
        let x = sampler.start([250, 1, 8, 8], device, &mut noise)?;
        parts.push(sampler.sample(&clipped, x, &mut noise)?);
    }
    Ok(Tensor::cat(parts, 0))
}
