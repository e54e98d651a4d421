//! Trains a U-Net on images: `cargo run --example train [-- --data PATH …]`.
//!
//! Without arguments it trains on the bundled 8×8 digits for about two and a half minutes. `--data`
//! names a folder of PNG and JPEG files or an IDX file (`…-images-idx3-ubyte[.gz]`). The folder
//! `--out` receives grids of samples, a checkpoint that `--resume` continues, and the trained
//! model. Ctrl-C saves a checkpoint and exits.

use clap::Parser;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tweedie::burn::module::Module;
use tweedie::burn::tensor::{Int, TensorData};
use tweedie::image::grid;
use tweedie::math::AnySchedule;
use tweedie::models::{ClassInput, Conditions, Precision, seeded};
use tweedie::prelude::*;
use tweedie::train::{Decay, LearningRate, ProgressLine, has_checkpoint};
use tweedie_examples::finish;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains a U-Net on images.
#[derive(Parser)]
struct Arguments {
    /// A folder of PNG and JPEG files, or an IDX file; by default the bundled digits
    #[arg(long)]
    data: Option<PathBuf>,
    /// Learn the classes of the images, and without a class for one image in ten, so that the
    /// samples can be guided; the digits have classes
    #[arg(long, conflicts_with = "phantoms")]
    classes: bool,
    /// An IDX file with the class of each image of `--data`
    #[arg(long, requires_all = ["data", "classes"])]
    labels: Option<PathBuf>,
    /// The guidance scale of the samples of each class
    #[arg(long, default_value_t = 2.0, allow_negative_numbers = true)]
    guidance: f64,
    /// Train on this many synthetic heads of `--size`×`--size` pixels (by default 64×64)
    #[arg(long, conflicts_with_all = ["data", "channels"], value_parser = at_least_one)]
    phantoms: Option<usize>,
    /// Crop and scale every image of a folder to this height and width
    #[arg(long)]
    size: Option<usize>,
    /// Read a folder as grey (1) or RGB (3, the default)
    #[arg(long)]
    channels: Option<usize>,
    /// The output folder
    #[arg(long, default_value = "out/train")]
    out: PathBuf,
    /// Number of steps
    #[arg(long, default_value_t = 900)]
    steps: usize,
    /// Images in each step
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Channels of the network's finest level
    #[arg(long, default_value_t = 32)]
    width: usize,
    /// Channels of each level, as multiples of the width
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    multipliers: Vec<usize>,
    /// Residual blocks on each level
    #[arg(long, default_value_t = 1)]
    blocks: usize,
    /// Side of the pixel blocks that are folded into channels
    #[arg(long, default_value_t = 1)]
    patch: usize,
    /// Largest learning rate
    #[arg(long, default_value_t = 2e-3, allow_negative_numbers = true)]
    rate: f64,
    /// Decay of the running average of the weights
    #[arg(long, default_value_t = 0.995)]
    ema: f64,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write a grid of samples every N steps
    #[arg(long, default_value_t = 300, value_parser = at_least_one)]
    sample_every: usize,
    /// Write a checkpoint every N steps
    #[arg(long, default_value_t = 300, value_parser = at_least_one)]
    save_every: usize,
    /// Train a network that the layout of diffusers can store, with the index of a chain as its
    /// time input, and write it in that layout as well
    #[arg(long)]
    diffusers: bool,
    /// Continue from the checkpoint in the output folder
    #[arg(long)]
    resume: bool,
}

fn main() -> ExitCode {
    finish(train(&Arguments::parse()))
}

fn train(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    // Check all of the input before anything is written.
    let settings = arguments.settings();
    settings.check()?;
    if !arguments.guidance.is_finite() {
        return Err("--guidance has to be a finite number".into());
    }
    let images = arguments.images()?;
    let config = arguments.model(&images)?;
    let (checkpoint, exported) = (
        arguments.out.join("checkpoint"),
        arguments.out.join("model"),
    );
    if has_checkpoint(&checkpoint) && !arguments.resume {
        let place = checkpoint.display();
        return Err(
            format!("{place} exists: --resume continues it, --out starts elsewhere").into(),
        );
    }

    let device = Device::default();
    let data = examples(&images, &config, &device)?;
    let model = seeded(arguments.seed, &device, config.init(&device)?);
    let objective = Objective::new(schedule());
    let description = Description {
        config: &config,
        images: images.count(),
    };
    let mut trainer = if arguments.resume {
        Trainer::resume(&checkpoint, model, objective, settings, &description)?
    } else {
        Trainer::new(model, objective, settings)?
    };
    std::fs::create_dir_all(&arguments.out)?;
    println!(
        "{} images {}×{}×{}, {} parameters, {} of {} steps done; output in {}",
        images.count(),
        config.channels,
        config.size[0],
        config.size[1],
        trainer.average().num_params(),
        trainer.done(),
        settings.steps,
        arguments.out.display(),
    );

    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst))?;
    let mut line = ProgressLine::new(settings.steps, trainer.done());
    while let Some(report) = trainer.step(&data)? {
        line.show(&report);
        let stop = interrupted.load(Ordering::SeqCst);
        let last = report.step == settings.steps;
        if last || report.step.is_multiple_of(arguments.sample_every) {
            let path = arguments
                .out
                .join(format!("samples-{:06}.png", report.step));
            let average = trainer.average().clone().into_network();
            let average = Model::new(config.clone(), average)?;
            let samples = samples(&average, arguments.guidance, &device)?;
            // Enlarge small images to about 84 pixels, so that they can be seen.
            let scale = 84 / config.size[0].max(config.size[1]);
            grid(samples, ValueRange::Signed, 8)?
                .with_scale(scale)
                .save(&path)?;
            let loss = line.smoothed_loss().unwrap_or(report.loss);
            line.say(format!(
                "step {}: loss {loss:.4}, {}",
                report.step,
                path.display()
            ));
        }
        if stop || last || report.step.is_multiple_of(arguments.save_every) {
            trainer.save(&checkpoint, &description)?;
            let average = trainer.average().clone().into_network();
            let average = Model::new(config.clone(), average)?;
            average.save(&exported, Precision::Half)?;
            if arguments.diffusers {
                average.export_diffusers(arguments.out.join("diffusers"), Precision::Half)?;
            }
        }
        if stop {
            line.finish();
            println!("stopped after step {}; --resume continues", report.step);
            return Ok(ExitCode::from(130));
        }
    }
    line.finish();
    println!("model: {}", exported.display());
    Ok(ExitCode::SUCCESS)
}

/// What a resumed run must share with its checkpoint, in addition to the settings.
#[derive(serde::Serialize)]
struct Description<'a> {
    config: &'a ModelConfig<UnetConfig>,
    images: usize,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("has to be a number, at least 1".into()),
    }
}

fn schedule() -> AnySchedule {
    AnySchedule::Cosine(Cosine::default())
}

/// The probability with which an image loses its class in training.
const DROPPED: f64 = 0.1;

/// The number of classes of a network; its table has one more row, for no class.
fn classes(config: &ModelConfig<UnetConfig>) -> Option<usize> {
    match config.network.class {
        Some(ClassInput::Table { count }) => Some(count - 1),
        _ => None,
    }
}

/// The condition of the given classes; none if there are none.
fn of_classes(classes: &[usize], device: &Device) -> Conditions {
    if classes.is_empty() {
        return Conditions::none();
    }
    let labels: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
    let labels = TensorData::new(labels, [classes.len()]);
    Conditions::none().with_labels(Tensor::<1, Int>::from_data(labels, device))
}

type Examples = DropCondition<Paired<4, Conditions>, Conditions>;

/// The images with their classes, if the network takes classes.
fn examples(
    images: &Images,
    config: &ModelConfig<UnetConfig>,
    device: &Device,
) -> Result<Examples, Box<dyn Error>> {
    let count = classes(config);
    let labels = images.labels().filter(|_| count.is_some());
    let labels: Vec<usize> = labels.into_iter().flatten().map(|&it| it.into()).collect();
    let null = of_classes(&Vec::from_iter(count), device);
    let data = images.tensor(ValueRange::Signed, device);
    let examples = Paired::new(data, of_classes(&labels, device))?;
    let probability = if count.is_some() { DROPPED } else { 0.0 };
    Ok(DropCondition::new(examples, null, probability)?)
}

/// Draws samples by 50 steps of DDIM: 64, or a row of 8 of each class.
fn samples(
    model: &Model<UnetConfig>,
    guidance: f64,
    device: &Device,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let sampler = Sampler::new(
        Ddim::deterministic(),
        LevelPath::uniform(schedule(), Span::FULL, 50)?,
    );
    let mut noise = HostNoise::seeded(0);
    let Some(count) = classes(model.config()) else {
        let x = sampler.start(model.shape(64), device, &mut noise)?;
        return Ok(sampler.sample(model, x, &mut noise)?);
    };
    let rows: Vec<usize> = (0..8 * count).map(|place| place / 8).collect();
    let [of_rows, null] = [&rows[..], &[count]].map(|classes| of_classes(classes, device));
    let guided = model.guided(of_rows, null, guidance)?;
    let x = sampler.start(model.shape(rows.len()), device, &mut noise)?;
    Ok(sampler.sample(&guided, x, &mut noise)?)
}

impl Arguments {
    fn settings(&self) -> TrainSettings {
        TrainSettings::default()
            .with_steps(self.steps)
            .with_batch(self.batch)
            .with_learning_rate(
                LearningRate::new(self.rate)
                    .with_warmup(100)
                    .with_decay(Decay::Cosine),
            )
            .with_ema(self.ema)
            .with_seed(self.seed)
    }

    fn images(&self) -> Result<Images, Box<dyn Error>> {
        if let Some(count) = self.phantoms {
            return Ok(Images::phantoms(count, self.size.unwrap_or(64), self.seed)?);
        }
        let size = self.size.map(|size| [size, size]);
        if let Some(path) = self.data.as_ref().filter(|path| path.is_dir()) {
            return Ok(Images::folder(path, self.channels.unwrap_or(3), size)?);
        }
        if self.size.is_some() || self.channels.is_some() {
            return Err("--size and --channels are for a folder of images".into());
        }
        let images = match &self.data {
            None => Images::digits()?,
            Some(path) => Images::idx(path)?,
        };
        Ok(match &self.labels {
            None => images,
            Some(labels) => images.with_idx_labels(labels)?,
        })
    }

    fn model(&self, images: &Images) -> Result<ModelConfig<UnetConfig>, Box<dyn Error>> {
        let mut network = UnetConfig::new(images.channels())
            .with_widths(self.multipliers.iter().map(|factor| factor * self.width))
            .with_blocks(self.blocks)
            .with_groups(Some(8))
            .with_patch(self.patch)
            .with_time_scale(if self.diffusers { 1.0 } else { 1000.0 });
        if self.diffusers && self.patch > 1 {
            return Err("--diffusers cannot represent --patch".into());
        }
        if self.classes {
            let labels = images
                .labels()
                .ok_or("--classes needs --labels for these images")?;
            let count = usize::from(labels.iter().copied().max().unwrap_or(0)) + 2;
            network.class = Some(ClassInput::Table { count });
        }
        network.check()?;
        let [height, width] = images.size();
        if height % self.patch != 0 || width % self.patch != 0 {
            let patch = self.patch;
            return Err(format!("--patch {patch} has to divide {height}×{width} pixels").into());
        }
        let time = if self.diffusers {
            TimeInput::Index(Chain::squared_cosine(1000, 0.999)?)
        } else {
            TimeInput::Time(schedule())
        };
        Ok(ModelConfig::new(
            network,
            Prediction::Velocity,
            time,
            images.size(),
        ))
    }
}
