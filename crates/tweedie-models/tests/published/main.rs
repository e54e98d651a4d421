//! Reading, rejecting and writing published checkpoints.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod read;
mod schedulers;
mod variants;
mod written;

use burn::tensor::{Device, Tensor};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tweedie_core::{Denoiser, HostNoise, Noise};
use tweedie_math::Level;
use tweedie_models::{AnyArchitecture, Conditions, Context, Model};

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/data/models")
        .join(name)
}

/// A copy of a checkpoint whose files a test may change.
pub(crate) fn copy(name: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["config.json", WEIGHTS] {
        fs::copy(golden(name).join(file), folder.path().join(file)).expect("a copy");
    }
    folder
}

pub(crate) const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

pub(crate) fn device() -> Device {
    Device::flex()
}

/// Replaces text in the configuration.
pub(crate) fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).expect("a configuration");
    assert!(text.contains(from), "{from} in {text}");
    fs::write(path, text.replacen(from, to, 1)).expect("a configuration");
}

pub(crate) fn refusal(path: &Path) -> String {
    match Model::open(path, &device()) {
        Ok(_) => panic!("opened {}", path.display()),
        Err(error) => error.to_string(),
    }
}

/// The output for a fixed input, class and context.
pub(crate) fn output(model: &Model) -> Vec<f32> {
    let [_, channels, h, w] = model.shape(2);
    let x = HostNoise::seeded(1).normal([2, channels, h, w], &device());
    let mut conditions = Conditions::none();
    if let AnyArchitecture::Unet(config) = &model.config().network {
        if let Some(context) = config.context {
            let tokens = HostNoise::seeded(2).normal([1, 5, context.features], &device());
            conditions = conditions.with_context(Context::new(tokens));
        }
        if config.class.is_some() {
            conditions = conditions.with_labels(Tensor::from_ints([1], &device()));
        }
    }
    let level = Level::new(0.6, 0.8).expect("a level");
    let clean = model
        .with_condition(conditions)
        .expect("conditions")
        .denoise(x, level);
    clean
        .expect("an estimate")
        .into_data()
        .iter::<f32>()
        .collect()
}
