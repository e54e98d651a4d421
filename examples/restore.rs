//! Generates images and restores damaged ones: `cargo run --example restore`.
//!
//! The network was trained on Fashion-MNIST and comes with the repository. The example degrades
//! eight images of the test set and draws four posterior samples of each. With `--image FILE` it
//! restores an image of one's own, with any model, and writes a folder: draws, mean, spread, and
//! `experiment.json`, from which `--replay FOLDER` repeats the run.

use clap::Parser;
use clap::builder::PossibleValuesParser;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::metrics::psnr;
use tweedie::prelude::*;
use tweedie_examples::finish;
use tweedie_examples::restoration::{
    Own, Settings, Task, Walk, combinations, methods, restore_own, walk,
};
use tweedie_examples::training::{classes, of_classes};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Generates images and restores damaged ones.
#[derive(Parser)]
#[command(after_help = combinations())]
struct Arguments {
    /// How the test images are degraded; by default inpaint
    #[arg(long, value_enum)]
    task: Option<Task>,
    /// The posterior method
    #[arg(long, value_parser = PossibleValuesParser::new(methods()), default_value = "dps")]
    method: String,
    /// The sampler, for the methods that work with several
    #[arg(long, value_enum)]
    sampler: Option<Walk>,
    /// The folder of a trained model
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/fashion-mnist"))]
    model: PathBuf,
    /// The picture to write (out/restore.png), or the folder for an image of your own (out/restore)
    #[arg(long)]
    out: Option<PathBuf>,
    /// Steps of each chain
    #[arg(long, default_value_t = 80)]
    steps: usize,
    /// The strength of the method: ζ of dps and mcg, λ of diffpir and red-diff, w of guided methods
    #[arg(long, allow_negative_numbers = true)]
    strength: Option<f64>,
    /// Standard deviation of the measurement's noise, on [−1, 1]; by default 0.05
    #[arg(long, allow_negative_numbers = true)]
    sigma: Option<f64>,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    own: Own,
}

/// The test images to restore, one from most classes.
const CHOSEN: [usize; 8] = [0, 1, 2, 13, 18, 19, 23, 30];
const GUESSES: usize = 4;
/// The guidance scale of generated images, for networks with classes.
const GUIDANCE: f64 = 1.5;

fn main() -> ExitCode {
    finish(restore(&Arguments::parse()))
}

fn restore(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let own = &arguments.own;
    let is_own = own.image.is_some() || own.replay.is_some();
    let settings = Settings {
        method: arguments.method.clone(),
        walk: arguments.sampler,
        steps: arguments.steps,
        strength: arguments.strength,
        guesses: if is_own { own.draws as usize } else { GUESSES },
    };
    let (task, sigma) = (
        arguments.task.unwrap_or(Task::Inpaint),
        arguments.sigma.unwrap_or(0.05),
    );
    settings.check(task)?;
    if is_own {
        if arguments.task.is_some() || arguments.sigma.is_some() {
            return Err(
                "--task and --sigma are for the test images; use --operator and --noise".into(),
            );
        }
        let out = arguments
            .out
            .clone()
            .unwrap_or_else(|| "out/restore".into());
        restore_own(own, &arguments.model, &settings, arguments.seed, &out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let device = Device::default();
    let model = Model::open(&arguments.model, &device)?;
    let path = LevelPath::uniform(Cosine::default(), Span::FULL, arguments.steps)?;
    let noise_model = GaussianNoise::new(sigma)?;
    let images = Images::fashion_test()?;
    if model.shape(1) != [1, 1, images.size()[0], images.size()[1]] {
        let shape = model.shape(1);
        return Err(format!("the model makes images of {shape:?}, the data are 1×28×28").into());
    }
    let mut noise = HostNoise::seeded(arguments.seed);

    // Generate images by the deterministic flow of the prior, of each class if there are classes.
    let flow = Sampler::new(Ddim::deterministic(), path);
    let x = flow.start(model.shape(16), &device, &mut noise)?;
    let guided: Box<dyn Denoiser<4>> = match classes(model.config()) {
        None => Box::new(&model),
        Some(count) => {
            let each: Vec<usize> = (0..16).map(|place| place % count).collect();
            let [each, null] = [&each[..], &[count]].map(|classes| of_classes(classes, &device));
            Box::new(model.guided(each, null, GUIDANCE)?)
        }
    };
    let generated = walk(&flow, "generating 16 images", &*guided, x, &mut noise)?;

    // Simulate the measurement, then draw from the posterior with the same prior.
    let truth = images.select(&CHOSEN, ValueRange::Signed, &device);
    let measured = task.measure(truth.clone(), noise_model, &mut noise)?;
    let shape = model.shape(CHOSEN.len() * GUESSES);
    let guesses = settings.restore(&model, &measured, shape, &mut noise)?;
    let residual = measured.residual(guesses.clone(), GUESSES);
    let guesses: Vec<Tensor<4>> = guesses.chunk(CHOSEN.len(), 0);

    let mut sheet = Sheet::new().with_scale(3).with_columns([
        "original", "measured", "sample 1", "sample 2", "sample 3", "sample 4", "mean", "std",
    ]);
    let seen = measured.picture(truth.dims())?;
    for (i, guesses) in guesses.into_iter().enumerate() {
        let (variance, mean) = guesses.clone().var_mean(0);
        let one = |x: &Tensor<4>| x.clone().narrow(0, i, 1);
        let decibels = psnr(mean.clone(), one(&truth), ValueRange::Signed.length())[0];
        // Map the standard deviation from [0, 1] to [−1, 1]: 0 is black.
        let std = variance.sqrt() * 2.0 - 1.0;
        let row = Tensor::cat(vec![one(&truth), one(&seen), guesses, mean, std], 0);
        sheet = sheet.with_row(format!("{decibels:.1} dB"), row, ValueRange::Signed)?;
        println!(
            "test image {:3}: PSNR of the mean {decibels:.2} dB",
            CHOSEN[i]
        );
    }
    for (label, rows) in ["generated", ""].into_iter().zip(generated.chunk(2, 0)) {
        sheet = sheet.with_row(label, rows, ValueRange::Signed)?;
    }
    // The residual of a draw from the posterior is about as large as the noise.
    println!("samples are off what was measured by {residual:.3}, noise {sigma}");
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| "out/restore.png".into());
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    sheet.save(&out)?;
    println!("picture: {}", out.display());
    Ok(ExitCode::SUCCESS)
}
