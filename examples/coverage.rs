//! How often intervals hold the truth: `cargo run --example coverage [-- --methods dps,ddrm]`.
//!
//! Restores held-out clothes by several methods. On the second half of them the intervals
//! `mean ± z · deviation` of each method's draws, with `z` of Student's law, are compared with
//! conformal ones: the same times a factor that was found on the first half.

use clap::Parser;
use indicatif::ProgressBar;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tweedie::image::{Axis, Curve, Panel, chart};
use tweedie::inverse::noise::GaussianNoise;
use tweedie::metrics::calibration::Conformal;
use tweedie::prelude::*;
use tweedie_examples::finish;
use tweedie_examples::restoration::{Settings, Task};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often intervals hold the truth.
#[derive(Parser)]
struct Arguments {
    /// The methods, as in `restore --help`
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "dps,pigdm,mmps,ddrm,diffpir,repaint,daps,ddnm"
    )]
    methods: Vec<String>,
    /// How the images are degraded
    #[arg(long, value_enum, default_value = "inpaint")]
    task: Task,
    /// The number of images: half of them calibrate
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(40..=500))]
    images: u64,
    /// Draws for each image
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(2..=64))]
    draws: u64,
    /// Steps of each chain
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// The picture to write
    #[arg(long, default_value = "out/coverage.png")]
    out: PathBuf,
}

/// Nominal coverages.
const LEVELS: [f64; 5] = [0.5, 0.7, 0.8, 0.9, 0.95];
/// Images restored at once.
const BATCH: usize = 50;
/// The least spread of a value, a quarter of a grey level of 255.
const LEAST: f64 = 0.002;

fn main() -> ExitCode {
    finish(measure(&Arguments::parse()))
}

fn settings(arguments: &Arguments, method: &str) -> Settings {
    Settings {
        method: method.to_owned(),
        walk: None,
        steps: arguments.steps,
        strength: None,
        guesses: arguments.draws as usize,
    }
}

/// The means and deviations of the draws for each image.
fn restored(
    arguments: &Arguments,
    method: &str,
    model: &Model,
    truth: &Tensor<4>,
) -> Result<[Tensor<4>; 2], Box<dyn Error>> {
    let draws = arguments.draws as usize;
    let settings = settings(arguments, method);
    let sensor = GaussianNoise::new(0.05)?;
    let (mut means, mut spreads) = (Vec::new(), Vec::new());
    let mut noise = HostNoise::seeded(1);
    for batch in truth.clone().split(BATCH, 0) {
        let count = batch.dims()[0];
        let measured = arguments.task.measure(batch, sensor, &mut noise)?;
        let shape = model.shape(count * draws);
        let all = settings.restore(model, &measured, shape, &mut noise)?;
        for own in all.chunk(count, 0) {
            let (variance, mean) = own.var_mean(0);
            means.push(mean);
            spreads.push(variance.sqrt() + LEAST);
        }
    }
    Ok([Tensor::cat(means, 0), Tensor::cat(spreads, 0)])
}

fn measure(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    for method in &arguments.methods {
        settings(arguments, method).check(arguments.task)?;
    }
    let device = Device::default();
    let model = Model::open(
        concat!(env!("CARGO_MANIFEST_DIR"), "/fashion-mnist"),
        &device,
    )?;
    let count = arguments.images as usize;
    let indices: Vec<usize> = (0..count).collect();
    let truth = Images::fashion_test()?.select(&indices, ValueRange::Signed, &device);
    let half = count / 2;
    let part = |x: &Tensor<4>, second: bool| match second {
        false => x.clone().narrow(0, 0, half),
        true => x.clone().narrow(0, half, count - half),
    };
    let (mut plain, mut conformal) = (Vec::new(), Vec::new());
    println!(
        "intervals of 90 %, on {} images that calibrated nothing",
        count - half
    );
    println!("method              its own   conformal   standard error   factor");
    let draws = arguments.draws as f64;
    let student = StudentsT::new(0.0, 1.0, draws - 1.0)?;
    let bar = ProgressBar::new(arguments.methods.len() as u64);
    for method in &arguments.methods {
        let [mean, spread] = restored(arguments, method, &model, &truth)?;
        bar.inc(1);
        let [mut own, mut held] = [Vec::new(), Vec::new()];
        for level in LEVELS {
            let first = [&mean, &spread, &truth].map(|x| part(x, false));
            let [mean, spread, truth] = [&mean, &spread, &truth].map(|x| part(x, true));
            // Where a further draw of the same normal law is with this probability.
            let z = student.inverse_cdf((1.0 + level) / 2.0) * (1.0 + 1.0 / draws).sqrt();
            let off = (truth.clone() - mean.clone()).abs();
            let inside = off.lower_equal(spread.clone() * z).float().mean();
            let inside = inside.into_scalar::<f64>();
            let fitted = Conformal::fit(&first[0], &first[1], &first[2], level)?;
            let coverage = fitted.coverage(&mean, &spread, &truth)?;
            let (found, error) = (coverage.mean(), coverage.standard_error());
            own.push((level, inside));
            held.push((level, found));
            if (level - 0.9).abs() < 1e-9 {
                let factor = fitted.factor() / z;
                bar.suspend(|| {
                    println!(
                        "{method:18}  {inside:7.3}   {found:9.3}   {error:14.3}   {factor:6.2}"
                    );
                });
            }
        }
        let curve = |points| Curve {
            name: method.clone(),
            points,
        };
        plain.push(curve(own));
        conformal.push(curve(held));
    }
    bar.finish_and_clear();
    let panels = [
        ("intervals of the draws", plain),
        ("conformal intervals", conformal),
    ];
    let panels = panels.map(|(title, curves)| Panel {
        title: title.into(),
        x: "nominal coverage".into(),
        x_axis: Axis::Linear,
        y_axis: Axis::Linear,
        curves,
    });
    if let Some(folder) = arguments.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    chart(&arguments.out, &panels)?;
    println!("picture: {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}
