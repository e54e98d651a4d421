//! Files of every kind, and all functions that open them.

use std::fs;
use std::path::{Path, PathBuf};
use tweedie::burn::tensor::Tensor;
use tweedie::core::Preconditioned;
use tweedie::image::{Npz, load_npy};
use tweedie::inverse::measurement::{AnyMeasurement, Measurement};
use tweedie::inverse::noise::{GaussianNoise, PoissonNoise};
use tweedie::inverse::operator::{AveragePool, Blur, Padding, PointSpread};
use tweedie::models::{Ffdnet, Mlp, MlpConfig};
use tweedie::prelude::*;
use tweedie::train::write_checksums;

type Failure = Box<dyn std::error::Error>;
type Run = Trainer<Preconditioned<Mlp>, ScoreMatching<VariancePreserving>>;

fn device() -> Device {
    Device::flex()
}

/// Returns small files that this library writes. Their names show their kind.
pub(crate) fn written(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let x = Tensor::<4>::full([1, 1, 8, 8], 0.25, &device());
    let blur = Blur::new(PointSpread::gaussian(1.0)?, Padding::Reflect);
    let path = folder.join("y.safetensors");
    let mut all = Vec::new();
    Measurement::new(blur, PoissonNoise::new(0.1)?, x.clone()).save(&path)?;
    all.push(("blur.y.safetensors".to_owned(), fs::read(&path)?));
    Measurement::new(AveragePool::new(2)?, GaussianNoise::new(0.1)?, x.clone()).save(&path)?;
    all.push(("pool.y.safetensors".to_owned(), fs::read(&path)?));
    for (name, channels) in [("grey.png", 1), ("colour.png", 3)] {
        let path = folder.join(name);
        let x = x.clone().expand([1, channels, 8, 8]);
        tweedie::image::save(&path, x, ValueRange::Unit)?;
        all.push((name.to_owned(), fs::read(path)?));
    }
    let path = folder.join("x.npy");
    tweedie::image::save_npy(&path, x.clone())?;
    all.push(("x.npy".to_owned(), fs::read(path)?));
    let path = folder.join("x.npz");
    Npz::new().with("x", x.clone()).with("y", x).save(&path)?;
    all.push(("x.npz".to_owned(), fs::read(path)?));
    // Three images of 4×5 pixels.
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5];
    idx.extend(0..60);
    all.push(("images.idx".to_owned(), idx));
    let mut run = run()?;
    run.step(&Tensor::<2>::ones([3, 2], &device()))?;
    run.save(folder.join("run"), &"a network")?;
    all.push((
        "run.json".to_owned(),
        fs::read(folder.join(CHECKPOINT).join("run.json"))?,
    ));
    Ok(all)
}

/// Returns a training run of a network of two inputs, which `run.json` describes.
fn run() -> Result<Run, Failure> {
    let network = MlpConfig::new(2).with_width(4).init(&device())?;
    Ok(Run::new(
        told(network),
        ScoreMatching::new(VariancePreserving::default()),
        settings(),
    )?)
}

fn told(network: Mlp) -> Preconditioned<Mlp> {
    Preconditioned::new(network, Prediction::Velocity, TimeInput::LogSnr)
}

fn settings() -> TrainSettings {
    TrainSettings::default().with_steps(4).with_batch(2)
}

/// Opens a file in every way that fits its name, and returns whether one succeeds.
pub(crate) fn open(folder: &Path, name: &str, bytes: &[u8]) -> bool {
    match name {
        "run.json" => resumed(folder, bytes),
        name if name.ends_with(".json") => configured(folder, name, bytes),
        name if name.ends_with(".y.safetensors") => put(folder, name, bytes)
            .is_some_and(|path| AnyMeasurement::load(path, &device()).is_ok()),
        name if name.ends_with(".idx") => put(folder, name, bytes).is_some_and(|path| {
            // The file holds images, so loading it as labels must fail.
            Images::idx(&path).is_ok_and(|images| images.with_idx_labels(&path).is_err())
        }),
        name if name.ends_with(".npy") => {
            put(folder, name, bytes).is_some_and(|path| load_npy::<4>(path, &device()).is_ok())
        }
        name if name.ends_with(".npz") => put(folder, name, bytes).is_some_and(|path| {
            Npz::open(path).is_ok_and(|arrays| arrays.tensor::<4>("x", &device()).is_ok())
        }),
        name if [".png", ".jpg"].iter().any(|end| name.ends_with(end)) => {
            pictured(folder, name, bytes)
        }
        name => weighted(folder, name, bytes),
    }
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> Option<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, bytes).ok().map(|()| path)
}

/// The checkpoint of the saved run.
const CHECKPOINT: &str = "run/step-000001";

/// Resumes from a training state.
fn resumed(folder: &Path, bytes: &[u8]) -> bool {
    let run = folder.join("run");
    let checkpoint = folder.join(CHECKPOINT);
    // Without new hashes, no file but the saved one would be read.
    let Some(network) = put(&checkpoint, "run.json", bytes)
        .and_then(|_| write_checksums(&checkpoint).ok())
        .and_then(|_| MlpConfig::new(2).with_width(4).init(&device()).ok())
    else {
        return false;
    };
    let objective = ScoreMatching::new(VariancePreserving::default());
    Run::resume(&run, told(network), objective, settings(), &"a network").is_ok()
}

/// Opens a model directory with a valid configuration, scheduler and weights, one of which is
/// replaced.
fn configured(folder: &Path, name: &str, bytes: &[u8]) -> bool {
    let target = match name.starts_with("scheduler") {
        true => "scheduler_config.json",
        false => "config.json",
    };
    let config = include_bytes!("../corpus/config.json");
    let weights = include_bytes!("../corpus/unet.safetensors");
    let usual = b"{\"_class_name\":\"DDPMScheduler\"}";
    let model = folder.join("model");
    let ready = fs::create_dir_all(&model).is_ok()
        && put(&model, "config.json", config).is_some()
        && put(&model, "diffusion_pytorch_model.safetensors", weights).is_some()
        && put(&model, "scheduler_config.json", usual).is_some()
        && put(&model, target, bytes).is_some();
    ready && Checkpoint::open(&model).is_ok_and(|checkpoint| checkpoint.model(&device()).is_ok())
}

/// Opens an image alone and as a folder of images.
fn pictured(folder: &Path, name: &str, bytes: &[u8]) -> bool {
    let data = folder.join("images");
    let path = fs::create_dir_all(&data)
        .ok()
        .and_then(|()| put(&data, name, bytes));
    let Some(path) = path else {
        return false;
    };
    let loaded = tweedie::image::load(&path, ValueRange::Unit, &device()).is_ok();
    let found = Images::folder(&data, 1, Some([8, 8])).is_ok();
    // Leaves the folder empty for the next image.
    let removed = fs::remove_file(path).is_ok();
    (loaded || found) && removed
}

/// Opens a file of weights alone and as a checkpoint.
fn weighted(folder: &Path, name: &str, bytes: &[u8]) -> bool {
    let Some(path) = put(folder, name, bytes) else {
        return false;
    };
    let weights = Ffdnet::open(&path, &device()).is_ok();
    let checkpoint = Checkpoint::open(&path);
    weights || checkpoint.is_ok_and(|checkpoint| checkpoint.model(&device()).is_ok())
}
