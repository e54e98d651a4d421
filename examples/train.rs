//! Trains a U-Net on images: `cargo run --example train [-- --data PATH …]`.
//!
//! Without arguments it trains on the bundled 8×8 digits for about two and a half minutes. `--data`
//! names a folder of PNG and JPEG files or an IDX file (`…-images-idx3-ubyte[.gz]`). The folder
//! `--out` receives grids of samples, `report.png` with the losses, `log.jsonl` with a line for
//! each step, checkpoints that `--resume` continues, and the trained model. Ctrl-C and SIGTERM save
//! a checkpoint and exit.

use clap::Parser;
use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tweedie::burn::module::Module;
use tweedie::image::{Axis, Curve, Panel, chart, grid};
use tweedie::models::{Precision, seeded};
use tweedie::prelude::*;
use tweedie::train::{ProgressLine, RunLog, check_run_folder, has_checkpoint};
use tweedie_examples::finish;
use tweedie_examples::training::{Arguments, classes, deviation, examples, of_classes};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let device = Device::default();
    let images = arguments.images()?;
    let deviation = deviation(&images, &device);
    let config = arguments.model(&images, deviation)?;
    let (checkpoints, exported) = (
        arguments.out.join("checkpoints"),
        arguments.out.join("model"),
    );
    if has_checkpoint(&checkpoints) && !arguments.resume {
        let place = checkpoints.display();
        return Err(
            format!("{place} exists: --resume continues it, --out starts elsewhere").into(),
        );
    }

    check_run_folder(&checkpoints)?;
    let (data, held_out) = examples(arguments, &images, &config, &device)?;
    let model = seeded(arguments.seed, &device, config.init(&device)?);
    let objective = arguments.objective(deviation)?;
    let description = Description {
        config: &config,
        images: images.count(),
    };
    let mut trainer = if arguments.resume {
        Trainer::resume(&checkpoints, model, objective, settings, &description)?
    } else {
        Trainer::new(model, objective, settings)?
    };
    std::fs::create_dir_all(&arguments.out)?;
    let mut log = RunLog::open(arguments.out.join("log.jsonl"), trainer.done())?;
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
    // The losses of the last steps, by log-SNR.
    let mut levels = VecDeque::new();
    while let Some(report) = trainer.step(&data)? {
        line.show(&report);
        log.step(&report)?;
        let pairs = report.log_snr.iter().zip(&report.losses);
        let finite = pairs.filter(|(_, loss)| loss.is_finite());
        levels.extend(finite.map(|(&log_snr, &loss)| (log_snr, loss)));
        levels.drain(..levels.len().saturating_sub(RECENT));
        let last = report.step == settings.steps;
        // A run whose last step was skipped may have diverged: keep the earlier checkpoint.
        let sound = report.skipped.is_none() || last;
        let sample = sound && (last || report.step.is_multiple_of(arguments.sample_every));
        let stop = interrupted.load(Ordering::SeqCst);
        if sound && (stop || last || sample || report.step.is_multiple_of(arguments.save_every)) {
            trainer.save(&checkpoints, &description)?;
            let average = Model::new(config.clone(), trainer.average().clone().into_network())?;
            average.save(&exported, Precision::Half)?;
            if arguments.diffusers {
                average.export_diffusers(arguments.out.join("diffusers"), Precision::Half)?;
            }
            if sample && !stop {
                let path = arguments
                    .out
                    .join(format!("samples-{:06}.png", report.step));
                let samples = samples(arguments, &average, &device)?;
                // Enlarge small images to about 84 pixels, so that they can be seen.
                let scale = 84 / config.size[0].max(config.size[1]);
                grid(samples, ValueRange::Signed, 8)?
                    .with_scale(scale)
                    .save(&path)?;
                let loss = line.smoothed_loss().unwrap_or(report.loss);
                let mut text = format!("step {}: loss {loss:.4}", report.step);
                if arguments.held_out > 0 {
                    let found = trainer.held_out(&held_out)?;
                    log.add(report.step, &[("held_out", found.loss)])?;
                    text += &format!(", held out {:.4}", found.loss);
                }
                line.say(format!("{text}, {}", path.display()));
                draw_report(&arguments.out.join("report.png"), log.losses(), &levels)?;
            }
        }
        let stop = stop || interrupted.load(Ordering::SeqCst) && sample;
        if stop && sound {
            line.finish();
            println!("stopped after step {}; --resume continues", report.step);
            return Ok(ExitCode::from(130));
        }
    }
    line.finish();
    if trainer.skipped() > 0 {
        println!("{} steps were skipped", trainer.skipped());
    }
    println!("model: {}", exported.display());
    Ok(ExitCode::SUCCESS)
}

/// The number of examples whose losses are shown by log-SNR.
const RECENT: usize = 20_000;

/// Draws the loss over the steps and over the log-SNR.
fn draw_report(
    path: &Path,
    losses: &[(usize, f64)],
    levels: &VecDeque<(f64, f64)>,
) -> Result<(), Box<dyn Error>> {
    if levels.is_empty() {
        return Ok(());
    }
    let of_steps = losses.iter().map(|&(step, loss)| (step as f64, loss));
    let of_levels = levels.iter().copied().collect();
    let panels = [
        ("loss", "step", means(of_steps.collect(), 200)),
        ("loss of the last steps", "log-SNR", means(of_levels, 30)),
    ];
    let panels = panels.map(|(title, x, points)| Panel {
        title: title.into(),
        x: x.into(),
        x_axis: Axis::Linear,
        curves: vec![Curve {
            name: "mean of neighbours".into(),
            points,
        }],
    });
    Ok(chart(path, &panels)?)
}

/// The means of neighbours along x, at most `count` of them.
fn means(mut points: Vec<(f64, f64)>, count: usize) -> Vec<(f64, f64)> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let size = points.len().div_ceil(count).max(1);
    let mean = |part: &[(f64, f64)]| {
        let sum = part
            .iter()
            .fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
        let length = part.len() as f64;
        (sum.0 / length, sum.1 / length)
    };
    points.chunks(size).map(mean).collect()
}

/// What a resumed run must share with its checkpoint, in addition to the seed.
#[derive(serde::Serialize)]
struct Description<'a> {
    config: &'a ModelConfig<UnetConfig>,
    images: usize,
}

/// Draws samples by 50 steps of DDIM: 64, or a row of 8 of each class.
fn samples(
    arguments: &Arguments,
    model: &Model<UnetConfig>,
    device: &Device,
) -> Result<Tensor<4>, Box<dyn Error>> {
    let sampler = Sampler::new(Ddim::deterministic(), arguments.path()?);
    let mut noise = HostNoise::seeded(0);
    let Some(count) = classes(model.config()) else {
        let x = sampler.start(model.shape(64), device, &mut noise)?;
        return Ok(sampler.sample(model, x, &mut noise)?);
    };
    let rows: Vec<usize> = (0..8 * count).map(|place| place / 8).collect();
    let [of_rows, null] = [&rows[..], &[count]].map(|classes| of_classes(classes, device));
    let guided = model.guided(of_rows, null, arguments.guidance)?;
    let x = sampler.start(model.shape(rows.len()), device, &mut noise)?;
    Ok(sampler.sample(&guided, x, &mut noise)?)
}
