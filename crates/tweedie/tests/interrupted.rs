#![cfg(unix)]
//! Kills every writer at random moments, or lets it run out of disk space. Afterwards either the
//! old or the new file must be readable.
//!
//! The writers run in a child process: this test binary, started again with the output folder in an
//! environment variable.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use tweedie::burn::tensor::Tensor;
use tweedie::core::{HostNoise, Noise};
use tweedie::image::save;
use tweedie::inverse::measurement::{AnyMeasurement, Measurement};
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Identity;
use tweedie::models::{Model, ModelConfig, UnetConfig, seeded};
use tweedie::prelude::*;

type Failure = Box<dyn std::error::Error>;
type Run = Trainer<Preconditioned<tweedie::models::Unet>, ScoreMatching<Cosine>>;

const FOLDER: &str = "TWEEDIE_INTERRUPTED";

/// The number of child processes that are killed.
const KILLS: u32 = 200;

fn device() -> Device {
    Device::flex()
}

fn config() -> UnetConfig {
    UnetConfig::new(1)
        .with_widths([4, 8])
        .with_blocks(1)
        .with_groups(Some(2))
}

fn network() -> Preconditioned<tweedie::models::Unet> {
    let network = config().init(&device()).expect("a network");
    Preconditioned::new(
        seeded(0, &device(), network),
        Prediction::Velocity,
        TimeInput::LogSnr,
    )
}

fn settings() -> TrainSettings {
    TrainSettings::default().with_steps(100_000).with_batch(1)
}

fn images() -> Tensor<4> {
    HostNoise::seeded(1).normal_like(&Tensor::zeros([4, 1, 8, 8], &device()))
}

/// The values to write: a training run and a model.
struct Writers {
    run: Run,
    model: Model<UnetConfig>,
}

impl Writers {
    fn new() -> Result<Self, Failure> {
        let mut run = Run::new(network(), ScoreMatching::new(Cosine::default()), settings())?;
        run.step(&images())?;
        let config = ModelConfig::new(config(), Prediction::Velocity, TimeInput::LogSnr, [8, 8]);
        let network = seeded(0, &device(), config.init(&device())?.into_network());
        Ok(Self {
            run,
            model: Model::new(config, network)?,
        })
    }

    /// Writes every kind of file once and returns each result. `value` fills the image
    /// and the measurement, and tells one round of writing from the next.
    fn write(&mut self, folder: &Path, value: f64) -> Vec<(&'static str, Result<(), Failure>)> {
        let pixels = Tensor::<4>::full([1, 1, 64, 64], value, &device());
        let noise = GaussianNoise::new(0.1).expect("a noise");
        let measured = Measurement::new(Identity, noise, pixels.clone());
        let run = self.run.save(folder.join("run"), &"a network");
        vec![
            ("run", run.map_err(Into::into)),
            (
                "model",
                self.model
                    .save(folder.join("model"), Default::default())
                    .map_err(Into::into),
            ),
            (
                "y",
                measured
                    .save(folder.join("y.safetensors"))
                    .map_err(Into::into),
            ),
            (
                "image",
                save(folder.join("x.png"), pixels, ValueRange::Unit).map_err(Into::into),
            ),
        ]
    }
}

/// Reads every file, and checks that the image comes from one round of writing.
fn read(folder: &Path) -> Result<(), Failure> {
    let objective = ScoreMatching::new(Cosine::default());
    Run::resume(
        folder.join("run"),
        network(),
        objective,
        settings(),
        &"a network",
    )?;
    Model::open(folder.join("model"), &device())?;
    AnyMeasurement::load(folder.join("y.safetensors"), &device())?;
    let image = tweedie::image::load(folder.join("x.png"), ValueRange::Unit, &device())?;
    let values: Vec<f64> = image.into_data().iter::<f64>().collect();
    match values.iter().all(|value| *value == values[0]) {
        true => Ok(()),
        false => Err("an image of two times".into()),
    }
}

/// The child process that is killed. Without the variable it does nothing.
#[test]
fn writes_until_it_is_stopped() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut writers = Writers::new().expect("writers");
    println!("ready");
    for i in 0.. {
        for (name, written) in writers.write(Path::new(&folder), f64::from(i % 2)) {
            written.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

/// The child process whose files cannot grow beyond 512 bytes.
#[test]
fn writes_without_space() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut writers = Writers::new().expect("writers");
    for (name, written) in writers.write(Path::new(&folder), 0.5) {
        // An image of one colour is small enough.
        assert_eq!(written.is_ok(), name == "image", "{name}");
    }
}

fn child(test: &str, folder: &Path) -> Command {
    let program = std::env::current_exe().expect("this program");
    // Ignore SIGXFSZ, so that writing past the limit is an error and does not end the process.
    let mut command = match test {
        "writes_without_space" => {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
                .arg(program);
            shell
        }
        _ => Command::new(program),
    };
    command
        .args([test, "--exact", "--nocapture"])
        .env(FOLDER, folder);
    command
}

#[test]
fn a_killed_writer_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writers = Writers::new().expect("writers");
    for (name, written) in writers.write(folder.path(), 0.0) {
        written.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for i in 0..KILLS {
        let mut child = child("writes_until_it_is_stopped", folder.path());
        let mut child = child.stdout(Stdio::piped()).spawn().expect("a process");
        let mut out = std::io::BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        while !line.ends_with("ready\n") {
            line.clear();
            let read = std::io::BufRead::read_line(&mut out, &mut line);
            assert!(read.expect("a line") > 0, "the process ended");
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let random = now.expect("a time").subsec_nanos() % 20_000;
        std::thread::sleep(Duration::from_micros(random.into()));
        child.kill().expect("a kill");
        // A child that failed by itself would have tested nothing.
        let status = child.wait().expect("an end");
        assert_eq!(status.signal(), Some(9), "kill {i}: {status}");
        read(folder.path()).unwrap_or_else(|error| panic!("kill {i}, after {random} µs: {error}"));
    }
    // The next save works, and removes what the kills have left.
    for (name, written) in writers.write(folder.path(), 0.0) {
        written.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for entry in std::fs::read_dir(folder.path().join("run")).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        assert!(name == "latest" || name.starts_with("step-"), "{name}");
    }
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writers = Writers::new().expect("writers");
    for (name, written) in writers.write(folder.path(), 0.0) {
        written.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let output = child("writes_without_space", folder.path())
        .output()
        .expect("a process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    read(folder.path()).expect("what was there");
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        assert!(!name.to_string_lossy().ends_with(".partial"), "{name:?}");
    }
}
