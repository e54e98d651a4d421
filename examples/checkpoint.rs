//! Opens a published checkpoint, prints its table and samples from it:
//! `cargo run --example checkpoint [-- PATH …]`.
//!
//! `PATH` is a directory of diffusers (a model or a pipeline), a file of guided-diffusion, or a
//! model of this library. The default is a small network of handwritten digits, which the `train`
//! example wrote in the layout of diffusers. Classes are 0, 1, 2, …; a network with cross-attention
//! gets a context of zeros, since this library has no text encoder.

use clap::Parser;
use indicatif::ProgressBar;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use tweedie::burn::tensor::Int;
use tweedie::image::grid;
use tweedie::math::PathError;
use tweedie::models::{
    AnyArchitecture, Checkpoint, Class, ClassInput, Clip, Conditions, Context, Precision,
};
use tweedie::prelude::*;
use tweedie_examples::finish;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Opens a published checkpoint, prints its table and samples from it.
#[derive(Parser)]
struct Arguments {
    /// A directory or file in any supported layout; by default the bundled digits
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/digits"))]
    path: PathBuf,
    /// The picture to write
    #[arg(long, default_value = "out/checkpoint/samples.png")]
    out: PathBuf,
    /// Images in the grid; with 0 only the table is printed
    #[arg(long, default_value_t = 16)]
    images: usize,
    /// Steps of DPM-Solver++ 2M
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Height and width of the images, instead of the checkpoint's
    #[arg(long)]
    size: Option<usize>,
    /// Also write the model in the layout of diffusers, to this directory
    #[arg(long)]
    export: Option<PathBuf>,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::default();
    let checkpoint = Checkpoint::open(&arguments.path)?;
    println!("{}: {:?}", arguments.path.display(), checkpoint.layout());
    let autoencoder = match checkpoint.autoencoder_config() {
        Some(_) => Some(checkpoint.autoencoder(&device)?),
        None => None,
    };
    if let Some(autoencoder) = &autoencoder {
        println!(
            "\nautoencoder, images of 256×256\n{}",
            autoencoder.describe([256, 256])
        );
    }
    if checkpoint.architecture().is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    // Check the arguments before the weights are read.
    let checkpoint = match arguments.size {
        Some(side) => checkpoint.with_size([side, side]),
        None => checkpoint,
    };
    let config = checkpoint.model_config()?;
    let size = config.size;
    let path = path(&config, arguments.steps)?;
    let began = Instant::now();
    let model = checkpoint.model(&device)?;
    let config = model.config();
    println!(
        "\nnetwork, images of {}×{}\n{}",
        size[0],
        size[1],
        model.network().describe(size)
    );
    println!(
        "predicts {:?}; loaded in {:.2} s",
        config.prediction,
        began.elapsed().as_secs_f64()
    );
    if let Some(directory) = &arguments.export {
        model.export_diffusers(directory, Precision::Full)?;
        println!("exported to {}", directory.display());
    }
    let batch = arguments.images;
    if batch == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let model = model.with_condition(conditions(&config.network, batch, size, &device))?;
    let sampler = Sampler::new(DpmSolverMultistep::plus_plus(Order::Second), path);
    // Clip the estimates of images only, not of latents.
    let clip = match &config.sampling {
        Some(sampling) if autoencoder.is_none() => sampling.clip,
        _ => Clip::None,
    };
    let denoiser = clip.around(&model)?;
    let mut noise = HostNoise::seeded(arguments.seed);
    let shape = [batch, model.config().channels, size[0], size[1]];
    let mut x = sampler.start(shape, &device, &mut noise)?;
    let bar = ProgressBar::new(sampler.path().len() as u64);
    let began = Instant::now();
    for state in sampler.trajectory(&denoiser, x.clone(), &mut noise)? {
        bar.inc(1);
        x = state?.x;
    }
    bar.finish_and_clear();
    if let Some(autoencoder) = autoencoder {
        x = autoencoder.decode(autoencoder.denormalise(x));
    }
    // Keep three channels, or one if there are fewer than three.
    let channels = if x.dims()[1] >= 3 { 3 } else { 1 };
    let x = x.narrow(1, 0, channels).clamp(-1.0, 1.0);
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let scale = (84 / x.dims()[2].max(1)).max(1);
    grid(x, ValueRange::Signed, 8)?
        .with_scale(scale)
        .save(&arguments.out)?;
    println!(
        "{batch} samples by {} steps in {:.1} s: {}",
        sampler.path().len(),
        began.elapsed().as_secs_f64(),
        arguments.out.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The path of the checkpoint's scheduler, or else one on the process that it was trained on.
fn path(config: &ModelConfig, steps: usize) -> Result<LevelPath, PathError> {
    if let Some(sampling) = &config.sampling {
        return sampling.path(steps);
    }
    let (span, moves) = (Span::new(0.98, 1e-3), steps.saturating_sub(1));
    match &config.time {
        TimeInput::Index(chain) => LevelPath::respaced(chain, Spacing::Trailing, steps),
        TimeInput::Time(schedule) => {
            Ok(LevelPath::karras(schedule.clone(), span, moves, 7.0)?.then_clean())
        }
        _ => Ok(LevelPath::karras(VariancePreserving::default(), span, moves, 7.0)?.then_clean()),
    }
}

/// Conditions for every input that the network takes besides the noise level.
fn conditions(
    network: &AnyArchitecture,
    batch: usize,
    size: [usize; 2],
    device: &Device,
) -> Conditions {
    let labels = |count: usize| {
        let classes = Tensor::<1, Int>::arange(0..batch as i64, device);
        Class::Labels(classes.remainder_scalar(count.max(1) as i64))
    };
    let vectors = |features: usize| Class::Vectors(Tensor::zeros([batch, features], device));
    let mut conditions = Conditions::none();
    match network {
        AnyArchitecture::Dit(config) => conditions.class = Some(labels(config.classes)),
        AnyArchitecture::Unet(config) => {
            conditions.class = config.class.and_then(|class| match class {
                ClassInput::Table { count, null } => Some(labels(null.unwrap_or(count))),
                ClassInput::Timestep => Some(labels(1000)),
                ClassInput::Identity => Some(vectors(config.features())),
                ClassInput::Perceptron { features } | ClassInput::Linear { features } => {
                    Some(vectors(features))
                }
                _ => None,
            });
            conditions.context = config
                .context
                .map(|context| Context::new(Tensor::zeros([1, 77, context.features], device)));
            let extra = config.channels.saturating_sub(config.outputs());
            if extra > 0 {
                let shape = [batch, extra, size[0], size[1]];
                conditions.image = Some(Tensor::zeros(shape, device));
            }
        }
        _ => {}
    }
    conditions
}
