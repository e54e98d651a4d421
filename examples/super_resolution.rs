//! Enlarges images of 7×7 pixels four times: `cargo run --example super_resolution`.
//!
//! Two ways of drawing from the posterior `p(x₀ | y)`: SR3, a network that was trained on pairs of
//! images and their low-resolution versions and gets `y` as an input, and posterior methods, which
//! use an unconditional network. Both networks come with the repository.
//!
//! # Reference
//! Saharia et al. 2022, arXiv:2104.07636 (SR3); Chung et al. 2023, arXiv:2209.14687 (DPS); Song et
//! al. 2023, "Pseudoinverse-guided diffusion models for inverse problems" (ΠGDM).

use clap::Parser;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tweedie::inverse::operator::{Operator as _, Separable};
use tweedie::inverse::posterior::{DpsStep, Pigdm};
use tweedie::metrics::psnr;
use tweedie::prelude::*;
use tweedie_examples::finish;
use tweedie_examples::restoration::{repeated, walk};
use tweedie_examples::training::LowResolution;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Enlarges images of 7×7 pixels four times.
#[derive(Parser)]
struct Arguments {
    /// The folder of a network that enlarges images
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/fashion-sr"))]
    model: PathBuf,
    /// The folder of a network of whole images, for the posterior methods
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/fashion-mnist"))]
    prior: PathBuf,
    /// Standard deviation of the noise of the 7×7 images, on [−1, 1], at most 0.2
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
    sigma: f64,
    /// Steps of each chain
    #[arg(long, default_value_t = 80)]
    steps: usize,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The picture to write
    #[arg(long, default_value = "out/super-resolution.png")]
    out: PathBuf,
}

/// The test images, one from most classes.
const CHOSEN: [usize; 8] = [0, 1, 2, 13, 18, 19, 23, 30];
/// Draws for each image.
const DRAWS: usize = 8;
/// The network was trained on images reduced by this factor.
const FACTOR: usize = 4;

fn main() -> ExitCode {
    finish(enlarge(&Arguments::parse()))
}

fn enlarge(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    if !(arguments.sigma > 0.0 && arguments.sigma <= 0.2) {
        return Err(format!("--sigma has to be in (0, 0.2], got {}", arguments.sigma).into());
    }
    let device = Device::default();
    let images = Images::fashion_test()?;
    let [network, prior] = [&arguments.model, &arguments.prior].map(|path| open(path, &images));
    let (network, prior) = (network?, prior?);
    let path = LevelPath::uniform(Cosine::default(), Span::new(0.98, 0.0), arguments.steps)?;

    let truth = images.select(&CHOSEN, ValueRange::Signed, &device);
    let size = images.size();
    let operator = Separable::imresize(size, size.map(|side| side / FACTOR))?;
    let mut noise = HostNoise::seeded(arguments.seed);
    let likelihood = GaussianNoise::new(arguments.sigma)?;
    let once = Measurement::simulate(operator.clone(), likelihood, truth.clone(), &mut noise)?;
    let y = repeated(&once.y, DRAWS);
    let measured = Measurement::new(operator.clone(), likelihood, y.clone());

    let low = LowResolution::new(size, FACTOR)?;
    let count = CHOSEN.len() * DRAWS;
    let sr3 = network.with_condition(low.condition(y, &vec![arguments.sigma; count]))?;
    let pigdm = Pigdm::new(&prior, &measured).with_data_std(0.5)?;
    let dps = DpsStep::new(Ancestral::default(), measured.clone()).with_zeta(1.0)?;
    let ddpm = || AnyStep::new(Ancestral::default());
    let methods: [(&str, &dyn Denoiser<4>, AnyStep<4>); 3] = [
        ("SR3", &sr3, ddpm()),
        ("DPS", &prior, AnyStep::new(dps)),
        ("ΠGDM", &pigdm, ddpm()),
    ];

    let shown = |i: usize, x: &Tensor<4>| x.clone().narrow(0, i, 1);
    let mut rows: Vec<Vec<Tensor<4>>> = (0..CHOSEN.len()).map(|i| vec![shown(i, &truth)]).collect();
    let seen = low
        .condition(once.y, &[arguments.sigma; CHOSEN.len()])
        .image;
    let seen = seen.ok_or("no conditioning image")?.narrow(1, 0, 1);
    (0..CHOSEN.len()).for_each(|i| rows[i].push(shown(i, &seen)));
    println!("method   PSNR of the mean   of a draw   |y − A x|   seconds");
    for (name, denoiser, step) in methods {
        let began = Instant::now();
        let sampler = Sampler::new(step, path.clone()).checking_each();
        let x = sampler.start(prior.shape(count), &device, &mut noise)?;
        let x = walk(&sampler, name, denoiser, x, &mut noise)?;
        let seconds = began.elapsed().as_secs_f64();
        let off = operator.apply(x.clone()) - measured.y.clone();
        let off = off.square().mean().into_scalar::<f64>().sqrt();
        let draws: Vec<Tensor<4>> = x.clone().chunk(CHOSEN.len(), 0);
        let means: Vec<Tensor<4>> = draws
            .iter()
            .map(|draws| draws.clone().mean_dim(0))
            .collect();
        let range = ValueRange::Signed.length();
        let of_means = mean(&psnr(Tensor::cat(means.clone(), 0), truth.clone(), range));
        let of_draws = mean(&psnr(x, repeated(&truth, DRAWS), range));
        println!("{name:8} {of_means:13.1} dB   {of_draws:6.1} dB   {off:9.3}   {seconds:7.1}");
        for (row, (draws, mean)) in rows.iter_mut().zip(draws.into_iter().zip(means)) {
            row.extend([draws.narrow(0, 0, 2), mean]);
        }
    }
    println!("The noise has a standard deviation of {}.", arguments.sigma);

    let mut sheet = Sheet::new().with_scale(3).with_columns([
        "original", "seen", "SR3", "SR3", "mean", "DPS", "DPS", "mean", "PiGDM", "PiGDM", "mean",
    ]);
    for row in rows {
        sheet = sheet.with_row("", Tensor::cat(row, 0), ValueRange::Signed)?;
    }
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    sheet.save(&arguments.out)?;
    println!("picture: {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

/// Opens a model that makes images of the size of the data.
fn open(path: &Path, images: &Images) -> Result<Model, Box<dyn Error>> {
    let model = Model::open(path, &Device::default())?;
    let [height, width] = images.size();
    match model.shape(1) == [1, images.channels(), height, width] {
        true => Ok(model),
        false => {
            let (shape, path) = (model.shape(1), path.display());
            Err(format!("{path} makes images of {shape:?}, the data are 1×28×28").into())
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
