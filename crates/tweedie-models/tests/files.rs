//! Saving and loading models.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use approx::assert_abs_diff_eq;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::fs;
use tweedie_catalogue::{NamedArchitecture, architectures};
use tweedie_core::{Denoiser, HostNoise, Noise, TimeInput};
use tweedie_math::{AnySchedule, Cosine, Level, Prediction};
use tweedie_models::{
    Architecture, CheckpointError, Model, ModelConfig, Precision, UnetConfig, seeded,
};

fn config() -> ModelConfig<UnetConfig> {
    let network = UnetConfig::new(1)
        .with_widths([8, 16])
        .with_groups(Some(4))
        .with_time_scale(1000.0);
    let time = TimeInput::Time(AnySchedule::Cosine(Cosine::default()));
    ModelConfig::new(network, Prediction::Edm { sigma_data: 0.5 }, time, [8, 8])
}

fn model(config: ModelConfig<UnetConfig>) -> Model<UnetConfig> {
    let device = Device::flex();
    let denoiser = seeded(1, &device, config.init(&device).expect("a network"));
    Model::new(config, denoiser.into_network()).expect("a model")
}

fn output<A: Architecture>(model: &Model<A>) -> Tensor<4> {
    let x = HostNoise::seeded(2).normal(model.shape(2), &Device::flex());
    model
        .denoise(x, Level::new(0.6, 0.8).expect("a level"))
        .expect("an estimate")
}

#[test]
fn a_model_comes_back() -> Result<(), CheckpointError> {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(config());
    let expected = output(&model);
    model.save(folder.path(), Precision::Full)?;
    let back = Model::<UnetConfig>::load(folder.path(), &Device::flex())?;
    assert_eq!(back.config(), model.config());
    assert_eq!(output(&back).into_data(), expected.clone().into_data());
    // `config.json` names the architecture.
    let back = Model::open(folder.path(), &Device::flex())?;
    assert_eq!(back.config().network, config().network.into());
    assert_eq!(output(&back).into_data(), expected.clone().into_data());
    let full = fs::metadata(folder.path().join("weights.safetensors"))
        .expect("a file")
        .len();
    // Overwriting a model writes the weights under another name, then removes the old ones.
    model.save(folder.path(), Precision::Half)?;
    let half = fs::metadata(folder.path().join("weights-1.safetensors"))
        .expect("a file")
        .len();
    assert!(!folder.path().join("weights.safetensors").exists());
    assert!(half < full * 6 / 10, "{half} of {full} bytes");
    let back = Model::open(folder.path(), &Device::flex())?;
    let error = (output(&back) - expected).abs().max().into_scalar::<f32>();
    assert_abs_diff_eq!(error, 0.0, epsilon = 5e-3);
    Ok(())
}

#[test]
fn every_architecture_comes_back() -> Result<(), CheckpointError> {
    let device = Device::flex();
    for NamedArchitecture { name, config } in architectures() {
        let config = ModelConfig::new(config, Prediction::Noise, TimeInput::LogSnr, [16, 16]);
        let network = seeded(1, &device, config.init(&device)?).into_network();
        // The table of the architecture's parts has the module's parameters.
        let parts = network.describe([16, 16]);
        assert_eq!(parts.parameters(), network.num_params(), "{name}");
        let model = Model::new(config, network)?;
        let folder = tempfile::tempdir().expect("a folder");
        model.save(folder.path(), Precision::Full)?;
        let back = Model::open(folder.path(), &device)?;
        assert_eq!(back.config(), model.config(), "{name}");
        let (found, expected) = (output(&back), output(&model));
        assert_eq!(found.into_data(), expected.into_data(), "{name}");
    }
    Ok(())
}

#[test]
fn what_is_not_a_model_says_why() -> Result<(), CheckpointError> {
    let folder = tempfile::tempdir().expect("a folder");
    let text = |folder: &std::path::Path| match Model::open(folder, &Device::flex()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("opened"),
    };
    assert!(text(&folder.path().join("nowhere")).contains("config.json"));
    model(config()).save(folder.path(), Precision::Full)?;
    let (configuration, weights) = (
        folder.path().join("config.json"),
        folder.path().join("weights.safetensors"),
    );
    let stored = fs::read_to_string(&configuration).expect("a file");

    // The weights of another network.
    fs::write(
        &configuration,
        stored.replacen("\"channels\": 8", "\"channels\": 16", 1),
    )
    .expect("a file");
    let mismatch = text(folder.path());
    assert!(mismatch.contains("weights.safetensors"), "{mismatch}");
    assert!(!mismatch.contains('\n'), "one line: {mismatch}");
    // An invalid network, an unknown field, and invalid JSON.
    fs::write(
        &configuration,
        stored.replacen("\"channels\": 8", "\"channels\": 6", 1),
    )
    .expect("a file");
    assert!(
        text(folder.path()).contains("groups = 4 has to divide"),
        "{}",
        text(folder.path())
    );
    fs::write(&configuration, stored.replacen('{', "{\"unknown\": 1,", 1)).expect("a file");
    assert!(text(folder.path()).contains("unknown"));
    fs::write(&configuration, "{").expect("a file");
    assert!(text(folder.path()).contains("config.json"));
    // Truncated weights.
    fs::write(&configuration, &stored).expect("a file");
    let bytes = fs::read(&weights).expect("a file");
    fs::write(&weights, &bytes[..bytes.len() / 2]).expect("a file");
    assert!(text(folder.path()).contains("weights.safetensors"));
    fs::write(&weights, b"").expect("a file");
    assert!(text(folder.path()).contains("weights.safetensors"));
    Ok(())
}
