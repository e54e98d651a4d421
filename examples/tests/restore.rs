//! An operator and a measurement from files.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use std::path::Path;
use std::process::Command;
use tweedie::image::{Npz, save_npy};
use tweedie::inverse::operator::{AnyLinear, Operator, Tomography};
use tweedie::prelude::*;

/// A garment of the test set is measured by a scanner with 20 angles and restored from the files.
#[test]
fn an_operator_and_a_measurement_from_files_give_the_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let device = Device::flex();
    let scanner: AnyLinear = Tomography::half_turn([28, 28], 20)
        .expect("a scanner")
        .into();
    let json = serde_json::to_string(&scanner).expect("JSON");
    std::fs::write(at("scanner.json"), json).expect("a file");
    let images = Images::fashion_test().expect("images");
    let truth = images.select(&[0], ValueRange::Unit, &device);
    let y = scanner.apply(truth.clone());
    let [_, c, angles, bins] = y.dims();
    save_npy(at("y.npy"), y.reshape([c, angles, bins])).expect("a file");

    let test = std::env::current_exe().expect("this test");
    let profile = test.parent().and_then(Path::parent).expect("a folder");
    let run = Command::new(profile.join("examples/restore"))
        .args([
            "--image",
            "y.npy",
            "--operator",
            "json:scanner.json",
            "--noise",
            "gaussian:0.01",
        ])
        .args([
            "--method", "mmps", "--steps", "10", "--draws", "1", "--out", "out",
        ])
        .current_dir(folder.path())
        .output()
        .expect("the example");
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let found = Npz::open(at("out/restoration.npz")).expect("arrays");
    let draw: Tensor<4> = found.tensor("draws", &device).expect("draws");
    let mse = (draw * 0.5 + 0.5 - truth)
        .square()
        .mean()
        .into_scalar::<f64>();
    assert!(mse < 0.002, "{mse}");
}
