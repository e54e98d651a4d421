//! Files that are truncated, malicious, or not of the type that their names say.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use burn::tensor::{Device, Tensor};
use std::fs;
use std::path::{Path, PathBuf};
use tweedie_models::{Checkpoint, CheckpointError, Ffdnet};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn open(path: &Path) -> Result<Ffdnet, CheckpointError> {
    Ffdnet::open(path, &Device::flex())
}

#[test]
fn every_kind_of_pickle_holds_the_same_weights() -> Result<(), CheckpointError> {
    let x = Tensor::<4>::ones([1, 1, 6, 8], &Device::flex());
    let output = |name: &str| Ok(open(&data(name))?.restore(x.clone(), 0.1).into_data());
    let expected = output("ffdnet.safetensors")?;
    for name in ["ffdnet.pt", "ffdnet_legacy.pth", "nested.pt"] {
        assert_eq!(output(name)?, expected, "{name}");
    }
    Ok(())
}

#[test]
fn code_in_a_pickle_is_never_run() {
    let marker = Path::new("/tmp/evil_was_here");
    let before = marker.exists();
    let error = open(&data("code.pkl")).expect_err("a refusal");
    assert!(
        matches!(
            error,
            CheckpointError::Broken { .. } | CheckpointError::Unknown { .. }
        ),
        "{error}"
    );
    assert_eq!(marker.exists(), before);
    let error = open(&data("edm.pkl")).expect_err("a refusal");
    assert!(matches!(error, CheckpointError::Code { .. }), "{error}");
    assert!(
        error.to_string().contains("safetensors.torch.save_file"),
        "{error}"
    );
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["ffdnet.safetensors", "ffdnet.pt", "ffdnet_legacy.pth"] {
        let bytes = fs::read(data(name)).expect("a file");
        let cut = folder.path().join(name);
        for length in (0..bytes.len()).step_by(41) {
            fs::write(&cut, &bytes[..length]).expect("a file");
            let error = open(&cut).expect_err("a refusal").to_string();
            assert!(error.contains(name) && !error.contains('\n'), "{error}");
        }
    }
}

#[test]
fn a_header_that_lies_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lies.safetensors");
    let headers = [
        // Lengths beyond any memory, and beyond the file.
        (u64::MAX, String::new()),
        (99_000_000, String::new()),
        // Shapes that overflow or exceed the file, inconsistent offsets, and invalid headers.
        (0, entry("[4294967296, 4294967296, 4294967296]", "[0, 16]")),
        (0, entry("[1000000000, 1000]", "[0, 4000000000000]")),
        (0, entry("[2, 2]", "[16, 0]")),
        (0, entry("[2, 2]", "[0, 15]")),
        (0, entry("[2, 2]", "[1000, 1016]")),
        (0, entry("[-2, 2]", "[0, 16]")),
        (0, "[1, 2]".into()),
        (0, "{".repeat(10_000)),
        (0, "[".repeat(100_000)),
    ];
    for (length, text) in headers {
        let length = if length == 0 {
            text.len() as u64
        } else {
            length
        };
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend([0; 16]);
        fs::write(&path, bytes).expect("a file");
        let error = open(&path).expect_err("a refusal").to_string();
        assert!(error.contains("lies.safetensors"), "{error}");
        let lies = text.contains("data_offsets") && !text.contains('-');
        assert!(!lies || error.contains("at bytes"), "{error}");
    }
}

fn entry(shape: &str, offsets: &str) -> String {
    format!(r#"{{"model.0.weight":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
}

#[test]
fn what_is_no_checkpoint_says_what_was_looked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let refusal = |path: &Path| Checkpoint::open(path).expect_err("a refusal").to_string();
    assert!(refusal(&folder.path().join("nowhere")).contains("config.json"));
    assert!(refusal(folder.path()).contains("config.json"));
    assert!(refusal(&data("ffdnet.safetensors")).contains("input_blocks.0.0.weight"));
    fs::write(folder.path().join("model_index.json"), "{}").expect("a file");
    assert!(refusal(folder.path()).contains("without a unet or a transformer"));
    fs::remove_file(folder.path().join("model_index.json")).expect("a file");
    fs::write(
        folder.path().join("config.json"),
        r#"{"_class_name": "UNet2DModel"}"#,
    )
    .expect("a file");
    assert!(refusal(folder.path()).contains("diffusion_pytorch_model.safetensors"));
}
