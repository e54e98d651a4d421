//! Generates images and restores damaged ones: `cargo run --example restore`.
//!
//! A network trained on Fashion-MNIST comes with the repository. Eight test images that it has not
//! seen lose a box of pixels and get noise; DPS draws four guesses of each from the posterior.

use clap::Parser;
use indicatif::ProgressBar;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::inverse::{DpsStep, GaussianNoise, Mask, Measurement};
use tweedie::metrics::psnr;
use tweedie::prelude::*;
use tweedie_examples::finish;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Generates images and restores damaged ones.
#[derive(Parser)]
struct Arguments {
    /// The folder of a trained model
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/fashion-mnist"))]
    model: PathBuf,
    /// The picture to write
    #[arg(long, default_value = "out/restore.png")]
    out: PathBuf,
    /// Steps of each chain
    #[arg(long, default_value_t = 80)]
    steps: usize,
    /// Step size of DPS
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    zeta: f64,
    /// Standard deviation of the measurement's noise, on [−1, 1]
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
    sigma: f64,
    /// Everything random follows from it
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Which test images are restored: one of most classes.
const CHOSEN: [usize; 8] = [0, 1, 2, 13, 18, 19, 23, 30];
const GUESSES: usize = 4;

fn main() -> ExitCode {
    finish(restore(&Arguments::parse()))
}

fn restore(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    let model = Model::open(&arguments.model, &device)?;
    let path = Path::uniform(Cosine::default(), Span::FULL, arguments.steps)?;
    let noise_model = GaussianNoise::new(arguments.sigma)?;
    if !(arguments.zeta >= 0.0 && arguments.zeta.is_finite()) {
        return Err(format!(
            "--zeta has to be finite and at least 0, got {}",
            arguments.zeta
        )
        .into());
    }
    let images = Images::fashion_test()?;
    if model.shape(1) != [1, 1, images.size()[0], images.size()[1]] {
        let shape = model.shape(1);
        return Err(format!("the model makes images of {shape:?}, the data are 1×28×28").into());
    }
    let mut noise = HostNoise::seeded(arguments.seed);

    // Generate: the deterministic flow of the prior.
    let flow = Sampler::new(Ddim::deterministic(), path.clone());
    let x = flow.start(model.shape(16), &device, &mut noise);
    let generated = run(&flow, "generating 16 images", &model, x, &mut noise)?;

    // Measure: a box of 12×12 pixels is missing, the rest is noisy.
    let truth = images.select(&CHOSEN, Range::Signed, &device);
    let mask = Mask::missing_box(images.size(), [8, 8], [12, 12])?;
    let measured = Measurement::simulate(mask, noise_model, truth.clone(), &mut noise)?;

    // Restore: the same prior, each step pulled towards the measurement.
    let step = DpsStep {
        kernel: Ancestral::default(),
        operator: measured.operator.clone(),
        y: measured.y.clone().repeat_dim(0, GUESSES),
        zeta: arguments.zeta,
    };
    let posterior = Sampler::new(step, path);
    let count = CHOSEN.len();
    let x = posterior.start(model.shape(count * GUESSES), &device, &mut noise);
    let guesses = run(&posterior, "restoring 8 images", &model, x, &mut noise)?;
    let guesses: Vec<Tensor<4>> = guesses.chunk(GUESSES, 0);
    let stacked = Tensor::stack::<5>(guesses.clone(), 0);
    let (variance, mean) = stacked.var_mean(0);
    let (mean, std) = (
        mean.squeeze_dim::<4>(0),
        variance.sqrt().squeeze_dim::<4>(0),
    );

    let mut sheet = Sheet::new().with_scale(3).with_columns([
        "original", "measured", "sample 1", "sample 2", "sample 3", "sample 4", "mean", "std",
    ]);
    let psnrs = psnr(mean.clone(), truth.clone(), Range::Signed.length());
    for (i, psnr) in psnrs.iter().enumerate() {
        let one = |x: &Tensor<4>| x.clone().narrow(0, i, 1);
        let mut row = vec![one(&truth), one(&measured.y)];
        row.extend(guesses.iter().map(one));
        row.push(one(&mean));
        // From 0 (black) to 1 (white).
        row.push(one(&std) * 2.0 - 1.0);
        sheet = sheet.with_row(format!("{psnr:.1} dB"), Tensor::cat(row, 0), Range::Signed)?;
        println!("test image {:3}: PSNR of the mean {psnr:.2} dB", CHOSEN[i]);
    }
    for (label, rows) in ["generated", ""].into_iter().zip(generated.chunk(2, 0)) {
        sheet = sheet.with_row(label, rows, Range::Signed)?;
    }
    // How far the samples are from what was measured, where it was: close to the noise.
    let kept = measured.operator.kept(&device).float();
    let values = kept.clone().sum().into_scalar::<f64>() * (count * GUESSES) as f64;
    let residual = Tensor::cat(guesses, 0) - measured.y.repeat_dim(0, GUESSES);
    let residual = (residual * kept).square().sum().into_scalar::<f64>() / values;
    println!(
        "measured pixels: off by {:.3}, noise {}",
        residual.sqrt(),
        arguments.sigma
    );

    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    sheet.save(&arguments.out)?;
    println!("picture: {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

/// Walks the whole path and shows how far it is.
fn run<S: Step<4>>(
    sampler: &Sampler<S>,
    task: &'static str,
    model: &Model,
    x: Tensor<4>,
    noise: &mut HostNoise,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let bar = ProgressBar::new(sampler.path().len() as u64).with_message(task);
    let mut last = x.clone();
    for state in sampler.trajectory(model, x, noise)? {
        bar.inc(1);
        last = state.x;
    }
    bar.finish_and_clear();
    Ok(last)
}
