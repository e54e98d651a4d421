//! The run of the `train` example, in one process or several.

use super::quality::{bits, energy};
use super::report::{Levels, draw};
use super::{Arguments, Data, Source, examples, preview};
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tweedie::burn::module::Module;
use tweedie::core::Preconditioned;
use tweedie::image::grid;
use tweedie::math::AnySchedule;
use tweedie::models::{AnyNetwork, Precision};
use tweedie::prelude::*;
use tweedie::train::{Group, ProgressLine, RunLog, check_run_folder, has_checkpoint, record_score};

type Run = Trainer<Preconditioned<AnyNetwork>, ScoreMatching<AnySchedule>>;

/// What a resumed run must share with its checkpoint, in addition to the seed.
#[derive(serde::Serialize)]
struct Description<'a> {
    config: &'a ModelConfig,
    images: usize,
    checksum: u32,
    held_out: usize,
    enlarge: Option<usize>,
    mirror: bool,
    drop: f64,
}

/// Trains a network together with the other processes of the group. The first one writes.
///
/// # Errors
/// For wrong arguments or files, before anything is written, and if the run cannot go on.
pub fn train(arguments: &Arguments, group: &impl Group) -> Result<ExitCode, Box<dyn Error>> {
    let settings = arguments.settings();
    settings.check()?;
    if !arguments.guidance.is_finite() {
        return Err("--guidance has to be a finite number".into());
    }
    let device = Device::default();
    let images = arguments.images()?;
    let deviation = images.deviation(arguments.readers, &device)?;
    let (config, model) = arguments.network(&images, deviation, &device)?;
    let [checkpoints, exported] = ["checkpoints", "model"].map(|name| arguments.out.join(name));
    if has_checkpoint(&checkpoints) && !arguments.resume {
        let place = checkpoints.display();
        let text = format!("{place} exists: --resume continues it, --out starts elsewhere");
        return Err(text.into());
    }
    let writes = group.rank() == 0;
    if writes && !arguments.dry_run {
        check_run_folder(&checkpoints)?;
    }
    let [data, held_out] = examples(arguments, &images, &config, &device)?;
    let objective = arguments.objective(deviation)?;
    let description = Description {
        config: &config,
        images: images.count(),
        checksum: images.checksum(),
        held_out: arguments.held_out,
        enlarge: arguments.enlarge,
        mirror: arguments.mirror,
        drop: arguments.drop,
    };
    if arguments.diffusers {
        config.network.published(config.size)?;
    }
    let steps = settings.steps;
    let mut trainer: Run = if arguments.resume {
        Trainer::resume(&checkpoints, model, objective, settings, &description)?
    } else {
        Trainer::new(model, objective, settings)?
    };
    if arguments.dry_run {
        return dry_run(&mut trainer, group, (&config, &images), &data);
    }
    let mut log = None;
    if writes {
        for error in images.skipped() {
            println!("skipped {error}");
        }
        std::fs::create_dir_all(&arguments.out)?;
        log = Some(RunLog::open(
            arguments.out.join("log.jsonl"),
            trainer.done(),
        )?);
        println!(
            "{} images {}×{}×{}, {} parameters, {} of {steps} steps done; output in {}",
            images.count(),
            config.channels,
            config.size[0],
            config.size[1],
            trainer.average().num_params(),
            trainer.done(),
            arguments.out.display(),
        );
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst))?;
    let mut line = match writes {
        true => ProgressLine::new(steps, trainer.done()),
        false => ProgressLine::hidden(),
    };
    let mut levels = Levels::default();
    while let Some(report) = trainer.step_in(group, &data)? {
        let last = report.step == steps;
        // A run whose last step was skipped may have diverged: keep the earlier checkpoint.
        let sound = report.skipped.is_none() || last;
        let sample = sound && (last || report.step.is_multiple_of(arguments.sample_every));
        let stop = group.any(interrupted.load(Ordering::SeqCst))?;
        let save = stop || sample || report.step.is_multiple_of(arguments.save_every);
        if let Some(log) = &mut log {
            line.show(&report);
            log.step(&report)?;
            levels.add(&report);
            if sound && save {
                trainer.save(&checkpoints, &description)?;
                let average = trainer.average().clone().into_network();
                let average = Model::new(config.clone(), average)?;
                average.save(&exported, Precision::Half)?;
                if arguments.diffusers {
                    average.export_diffusers(arguments.out.join("diffusers"), Precision::Half)?;
                }
                if sample && !stop {
                    let name = format!("samples-{:06}.png", report.step);
                    let path = arguments.out.join(name);
                    let shown: &Data = match arguments.held_out {
                        0 => &data,
                        _ => &held_out,
                    };
                    let samples = preview::samples(arguments, &average, shown, &device)?;
                    // Enlarge small images to about 84 pixels, so that they can be seen.
                    let scale = 84 / config.size[0].max(config.size[1]);
                    let sheet = grid(samples.clone(), ValueRange::Signed, 8)?.with_scale(scale);
                    sheet.save(&path)?;
                    let loss = line.smoothed_loss().unwrap_or(report.loss);
                    let mut text = format!("step {}: loss {loss:.4}", report.step);
                    if arguments.held_out > 0 {
                        let found = trainer.held_out(&held_out)?;
                        log.add(report.step, &[("held_out", found.loss)])?;
                        text += &format!(", held out {:.4}", found.loss);
                        if arguments.enlarge.is_none() {
                            let energy = energy(samples, &held_out, &device)?;
                            log.add(report.step, &[("energy", energy)])?;
                            text += &format!(", energy distance {energy:.3}");
                        }
                        let bits = bits(&average, &held_out, &device)?;
                        log.add(report.step, &[("bits", bits)])?;
                        text += &format!(", at most {bits:.2} bits per dimension");
                        if record_score(&checkpoints, found.loss)? {
                            text += " (best)";
                        }
                    }
                    line.say(format!("{text}, {}", path.display()));
                    draw(&arguments.out.join("report.png"), log.losses(), &levels)?;
                }
            }
        }
        // A signal during the preview is not left to the next step.
        let stop = stop || sample && group.any(interrupted.load(Ordering::SeqCst))?;
        if stop && sound {
            line.finish();
            if writes {
                println!("stopped after step {}; --resume continues", report.step);
            }
            return Ok(ExitCode::from(130));
        }
    }
    line.finish();
    if writes {
        if trainer.skipped() > 0 {
            println!("{} steps were skipped", trainer.skipped());
        }
        println!("model: {}", exported.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The number of steps of a trial.
const TRIAL: usize = 5;

/// Prints what a run would be and makes a few steps to measure their speed.
fn dry_run(
    trainer: &mut Run,
    group: &impl Group,
    (config, images): (&ModelConfig, &Source),
    data: &Data,
) -> Result<ExitCode, Box<dyn Error>> {
    let settings = trainer.settings().clone();
    let parameters = trainer.average().num_params();
    let began = Instant::now();
    // The first step pays for memory that the others use again.
    let (mut seconds, mut waited) = (f64::INFINITY, 0.0);
    for _ in 0..TRIAL {
        let began = Instant::now();
        let Some(report) = trainer.step_in(group, data)? else {
            break;
        };
        let took = began.elapsed().as_secs_f64();
        if took < seconds {
            (seconds, waited) = (took, report.waited.as_secs_f64() / took);
        }
    }
    let trial = began.elapsed().as_secs_f64();
    if group.rank() > 0 {
        return Ok(ExitCode::SUCCESS);
    }
    println!("network {}", serde_json::to_string_pretty(config)?);
    println!("settings {}", serde_json::to_string_pretty(&settings)?);
    println!("{} images, {} parameters", images.count(), parameters);
    let epoch = images.count() as f64 / settings.batch as f64;
    println!("{} steps, {epoch:.1} an epoch", settings.steps);
    let pace = settings.batch as f64 / seconds;
    let minutes = seconds * settings.steps as f64 / 60.0;
    println!(
        "{pace:.0} images per second, {minutes:.0} minutes for the run (trial of {trial:.1} s)"
    );
    println!("{:.1} % of a step waiting for data", 100.0 * waited);
    if let Some(peak) = peak_memory() {
        println!("{peak:.2} GB of memory at most");
    }
    println!("nothing was written");
    Ok(ExitCode::SUCCESS)
}

/// The most memory that this process has used, in GB, where the system tells it.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1e6)
}
