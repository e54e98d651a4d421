//! Learns a prior of digits from digits of which half of the pixels are missing:
//! `cargo run --example incomplete`.
//!
//! Expectation maximisation: a posterior method draws the complete digits with the present prior,
//! and the trainer fits the next prior to the draws. No complete digit is ever seen, except to
//! measure the result and to train the prior that it is compared with. Every prior is kept in the
//! folder `--out`: an interrupted run draws again, with the same numbers, and skips the training
//! that is done.
//!
//! # Reference
//! Rozet, Andry, Lanusse & Louppe 2024, "Learning Diffusion Priors from Observations by Expectation
//! Maximization", algorithm 1, arXiv:2405.13712.

use clap::Parser;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::{Mask, Operator};
use tweedie::inverse::posterior::Mmps;
use tweedie::metrics::energy_squared;
use tweedie::models::{Unet, seeded};
use tweedie::prelude::*;
use tweedie::train::{ProgressLine, has_checkpoint};
use tweedie_examples::finish;
use tweedie_examples::restoration::walk;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Learns a prior of digits from digits of which half of the pixels are missing.
#[derive(Parser)]
struct Arguments {
    /// The fraction of pixels that are missing, others in every digit
    #[arg(long, default_value_t = 0.5)]
    missing: f64,
    /// Standard deviation of the measurements' noise, on [−1, 1]
    #[arg(long, default_value_t = 0.1)]
    sigma: f64,
    /// Rounds of drawing and fitting
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Training steps of a round
    #[arg(long, default_value_t = 300)]
    steps: usize,
    /// Moves of a posterior draw
    #[arg(long, default_value_t = 16)]
    moves: usize,
    /// Digits to learn from
    #[arg(long, default_value_t = 800)]
    digits: usize,
    /// The folder of the rounds
    #[arg(long, default_value = "out/incomplete")]
    out: PathBuf,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

type Prior = Preconditioned<Unet>;
type Incomplete = Measurement<4, Mask<4>, GaussianNoise>;

fn main() -> ExitCode {
    finish(learn(&Arguments::parse()))
}

fn learn(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    let all = Images::digits()?.tensor(ValueRange::Signed, &device);
    let (whole, count) = (all.dims()[0], arguments.digits);
    if !(20..=whole - 20).contains(&count) || arguments.rounds == 0 {
        return Err(format!("from 20 to {} digits, and at least a round", whole - 20).into());
    }
    if !(0.0..1.0).contains(&arguments.missing) {
        return Err(format!("--missing {}: at least 0 and below 1", arguments.missing).into());
    }
    let truth = all.clone().narrow(0, 0, count);
    let held_out = all.narrow(0, count, whole - count);
    let measured = measure(arguments, &truth)?;
    std::fs::create_dir_all(&arguments.out)?;
    let start = || -> Result<Prior, Box<dyn Error>> {
        let network = UnetConfig::new(1)
            .with_widths([32, 64])
            .with_groups(Some(8));
        let network = seeded(arguments.seed, &device, network.init(&device)?);
        Ok(Preconditioned::new(
            network,
            Prediction::Velocity,
            TimeInput::LogSnr,
        ))
    };
    // The prior that saw complete digits, with as many steps in all.
    let clean = arguments.out.join("complete");
    let steps = arguments.rounds * arguments.steps;
    let clean = fit(start()?, &clean, &truth, steps, arguments.seed)?;
    let best = distance(&clean, &held_out, arguments)?;
    let none = {
        // Pixels of any digit, for what a prior is worth that knows nothing of shapes.
        let mut noise = HostNoise::seeded(arguments.seed.wrapping_add(1));
        let (variance, mean) = truth.clone().var_mean(0);
        let like = held_out.zeros_like();
        let x = noise.normal_like(&like) * variance.sqrt() + mean;
        energy_squared(&flat(&x), &flat(&held_out))
    };
    println!("energy distance² to held-out digits: {none:.4} for the pixels' normal law");
    println!("trained on complete digits: {best:.4}");

    let mut prior = start()?;
    let mut draws = filled(&measured, arguments.seed);
    for round in 1..=arguments.rounds {
        let place = arguments.out.join(format!("round-{round:02}"));
        if round > 1 {
            draws = draw(&prior, &measured, round, arguments)?;
        }
        let seed = arguments.seed.wrapping_add(round as u64);
        prior = fit(prior, &place, &draws, arguments.steps, seed)?;
        let found = distance(&prior, &held_out, arguments)?;
        let error = (draws.clone() - truth.clone()).square().mean();
        println!(
            "round {round}: {found:.4}; a draw is off by {:.3} (root mean square)",
            error.sqrt().into_scalar::<f64>()
        );
    }
    picture(arguments, &measured, &draws, &truth, &[&prior, &clean])
}

/// Hides pixels at random, others in every digit, and adds noise to the rest.
fn measure(arguments: &Arguments, truth: &Tensor<4>) -> Result<Incomplete, Box<dyn Error>> {
    let mut noise = HostNoise::seeded(arguments.seed);
    // A normal value is above this threshold with the probability of a measurement.
    let z = noise.normal_like(truth);
    let uniform = (z / 2.0_f64.sqrt()).erf() * 0.5 + 0.5;
    let mask = Mask::new(uniform.greater_equal_elem(arguments.missing));
    let camera = GaussianNoise::new(arguments.sigma)?;
    Ok(Measurement::simulate(
        mask,
        camera,
        truth.clone(),
        &mut noise,
    )?)
}

/// The first draws: missing pixels from the normal law of the measured ones.
fn filled(measured: &Incomplete, seed: u64) -> Tensor<4> {
    let seen = measured.operator.apply(measured.y.ones_like());
    let count = seen.clone().sum_dim(0).clamp_min(1.0);
    let mean = measured.y.clone().sum_dim(0) / count.clone();
    let square = measured.y.clone().square().sum_dim(0) / count;
    let std = (square - mean.clone().square()).clamp_min(0.0).sqrt();
    let mut noise = HostNoise::seeded(seed.wrapping_add(100));
    let drawn = noise.normal_like(&measured.y) * std + mean;
    measured.y.clone() + drawn * (seen * -1.0 + 1.0)
}

/// Draws each complete digit from its posterior.
fn draw(
    prior: &Prior,
    measured: &Incomplete,
    round: usize,
    arguments: &Arguments,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let path = path(arguments.moves)?;
    let sampler = Sampler::new(Ddim::ancestral(), path);
    let mut noise = HostNoise::seeded(arguments.seed.wrapping_add(1000 * round as u64));
    let guided = Mmps::new(prior, measured).with_iterations(1)?;
    let x = sampler.start(measured.y.dims(), &Device::default(), &mut noise)?;
    let x = walk(&sampler, "drawing", &guided, x, &mut noise)?;
    Ok(x.clamp(-1.2, 1.2))
}

/// Continues a prior on draws, or opens the result of an earlier run.
fn fit(
    prior: Prior,
    place: &Path,
    draws: &Tensor<4>,
    steps: usize,
    seed: u64,
) -> Result<Prior, Box<dyn Error>> {
    let settings = TrainSettings::default()
        .with_steps(steps)
        .with_batch(64)
        .with_seed(seed)
        .with_ema(0.995);
    let objective = ScoreMatching::new(Cosine::default());
    let sum = draws.clone().sum().into_scalar::<f64>();
    let description = (steps, seed, sum.to_bits());
    let mut trainer = match has_checkpoint(place) {
        true => Trainer::resume(place, prior, objective, settings, &description)?,
        false => Trainer::new(prior, objective, settings)?,
    };
    let mut line = ProgressLine::new(steps, trainer.done());
    while let Some(report) = trainer.step(draws)? {
        line.show(&report);
        if report.step == steps {
            trainer.save(place, &description)?;
        }
    }
    line.finish();
    Ok(trainer.average().clone())
}

/// The unbiased squared energy distance of generated digits to held-out ones.
fn distance(
    prior: &Prior,
    held_out: &Tensor<4>,
    arguments: &Arguments,
) -> Result<f64, Box<dyn Error>> {
    let x = generate(prior, 1000, arguments)?;
    Ok(energy_squared(&flat(&x), &flat(held_out)))
}

fn generate(
    prior: &Prior,
    count: usize,
    arguments: &Arguments,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let sampler = Sampler::new(RungeKutta::heun(), path(20)?);
    let mut noise = HostNoise::seeded(arguments.seed.wrapping_add(7));
    let x = sampler.start([count, 1, 8, 8], &Device::default(), &mut noise)?;
    walk(&sampler, "generating", prior, x, &mut noise)
}

fn path(moves: usize) -> Result<LevelPath, Box<dyn Error>> {
    Ok(LevelPath::log_snr(Cosine::default(), Span::new(0.98, 0.02), moves)?.then_clean())
}

fn flat(x: &Tensor<4>) -> Tensor<2> {
    let [count, ..] = x.dims();
    x.clone().reshape([count as i32, -1])
}

/// Digits, what was measured of them, the last draws, and digits from both priors.
fn picture(
    arguments: &Arguments,
    measured: &Incomplete,
    draws: &Tensor<4>,
    truth: &Tensor<4>,
    priors: &[&Prior; 2],
) -> Result<ExitCode, Box<dyn Error>> {
    let some = |x: &Tensor<4>| x.clone().narrow(0, 0, 16.min(arguments.digits));
    let [learned, complete] = priors.map(|prior| generate(prior, 16, arguments));
    let path = arguments.out.join("digits.png");
    Sheet::new()
        .with_scale(4)
        .with_row("digit", some(truth), ValueRange::Signed)?
        .with_row("measured", some(&measured.y), ValueRange::Signed)?
        .with_row("drawn", some(draws), ValueRange::Signed)?
        .with_row("generated", learned?, ValueRange::Signed)?
        .with_row("from complete digits", complete?, ValueRange::Signed)?
        .save(&path)?;
    println!("picture: {}", path.display());
    Ok(ExitCode::SUCCESS)
}
