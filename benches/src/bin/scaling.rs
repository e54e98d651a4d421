//! Time and memory against image side, batch, steps and threads:
//! `cargo build --profile measure --workspace --bins`, then
//! `target/measure/scaling out/scaling.png`. Each point is a separate process, which runs DDIM
//! twice with the network of 1.1 million parameters and reports the second run.

use std::error::Error;
use std::path::Path as File;
use std::process::Command;
use std::time::Instant;
use tweedie::image::{Axis, Curve, Panel, chart};
use tweedie::models::seeded;
use tweedie::prelude::*;
use tweedie_benches::{mnist_size, peak};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [side, batch, steps] => one(side.parse()?, batch.parse()?, steps.parse()?),
        [path] => all(File::new(path)),
        _ => Err("usage: scaling PICTURE".into()),
    }
}

fn one(side: usize, batch: usize, steps: usize) -> Result<(), Box<dyn Error>> {
    let device = Device::flex();
    // No attention: on large images its cost would hide that of all other layers.
    let mut config = mnist_size();
    for level in &mut config.levels {
        level.down = tweedie::models::Attend::Nothing;
        level.up = tweedie::models::Attend::Nothing;
    }
    config.middle = tweedie::models::Attend::Nothing;
    let unet = seeded(0, &device, config.init(&device)?);
    let model = Preconditioned::new(unet, Prediction::Noise, TimeInput::LogSnr);
    let path = LevelPath::uniform(Cosine::default(), Span::new(0.98, 0.0), steps)?;
    let sampler = Sampler::new(Ddim::deterministic(), path);
    let mut noise = HostNoise::seeded(0);
    let x = sampler.start([batch, 1, side, side], &device, &mut noise);
    let mut seconds = 0.0;
    for _ in 0..2 {
        let began = Instant::now();
        sampler.sample(&model, x.clone()?, &mut noise)?.into_data();
        seconds = began.elapsed().as_secs_f64();
    }
    println!("{seconds} {}", peak());
    Ok(())
}

fn all(picture: &File) -> Result<(), Box<dyn Error>> {
    let sides: Vec<[usize; 3]> = [32, 64, 128, 256, 512].map(|side| [side, 1, 2]).to_vec();
    let batches: Vec<[usize; 3]> = [1, 2, 4, 8, 16, 32, 64]
        .map(|batch| [32, batch, 2])
        .to_vec();
    let steps: Vec<[usize; 3]> = [1, 2, 5, 10, 20, 50].map(|steps| [32, 4, steps]).to_vec();
    let mut panels = Vec::new();
    let along = [
        ("image side, batch 1, 2 steps", 0, sides),
        ("batch, 32×32 pixels, 2 steps", 1, batches),
        ("steps, batch of 4, 32×32 pixels", 2, steps),
    ];
    for (x, axis, points) in along {
        let (mut times, mut memory) = (Vec::new(), Vec::new());
        for threads in [1, 2] {
            let mut curve = Vec::new();
            for point in &points {
                let (seconds, megabytes) = run(*point, threads)?;
                println!("{point:?}, {threads} threads: {seconds:.3} s, {megabytes:.0} MB");
                curve.push((point[axis] as f64, 1e3 * seconds));
                if threads == 2 {
                    memory.push((point[axis] as f64, megabytes));
                }
            }
            times.push(Curve {
                name: format!("ms, {threads} threads"),
                points: curve,
            });
        }
        times.push(Curve {
            name: "peak MB".to_owned(),
            points: memory,
        });
        panels.push(Panel {
            title: x.split(',').next().unwrap_or_default().to_owned(),
            x: x.to_owned(),
            x_axis: Axis::Log,
            y_axis: Axis::Log,
            curves: times,
        });
    }
    if let Some(folder) = picture.parent() {
        std::fs::create_dir_all(folder)?;
    }
    chart(picture, &panels)?;
    println!("picture: {}", picture.display());
    Ok(())
}

fn run(point: [usize; 3], threads: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .args(point.map(|number| number.to_string()))
        .env("RAYON_NUM_THREADS", threads.to_string())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().flat_map(str::parse).collect();
    match numbers[..] {
        [seconds, megabytes] => Ok((seconds, megabytes)),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}
