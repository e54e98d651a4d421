//! Short runs of the `train` example, on data of several kinds.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use std::path::Path;
use std::process::Command;
use tweedie::prelude::*;

/// Trains a small network for a few steps and returns what was printed.
fn train(out: &Path, arguments: &[&str]) -> String {
    let test = std::env::current_exe().expect("this test");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("a target folder");
    let output = Command::new(profile.join("examples/train"))
        .args(["--width", "8", "--batch", "4", "--steps", "3", "--out"])
        .arg(out)
        .args(arguments)
        .output()
        .expect("the example");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[test]
fn folders_of_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let images = Images::digits().expect("digits");
    for index in 0..6 {
        let place = data.join(["even", "odd"][index % 2]);
        std::fs::create_dir_all(&place).expect("a folder");
        let image = images.select(&[index], ValueRange::Signed, &Device::flex());
        let file = place.join(format!("{index}.png"));
        tweedie::image::save(file, image, ValueRange::Signed).expect("a file");
    }
    std::fs::write(data.join("odd/9.png"), "no image").expect("a file");
    let of_folder = [
        "--data",
        path(&data),
        "--channels",
        "1",
        "--classes",
        "--held-out",
        "2",
    ];
    let text = train(&out, &of_folder);
    assert!(text.contains("skipped") && text.contains("9.png"), "{text}");
    assert!(
        text.contains("6 images 1×8×8") && text.contains("held out"),
        "{text}"
    );
    for name in [
        "samples-000003.png",
        "report.png",
        "log.jsonl",
        "checkpoints/best",
    ] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let log = std::fs::read_to_string(out.join("log.jsonl")).expect("a log");
    assert!(
        log.contains("held_out") && log.contains("energy") && log.contains("bits"),
        "{log}"
    );
    // A network with a row for no class is the start of another run.
    let model = out.join("model");
    let again = folder.path().join("again");
    let from = [&of_folder[..], &["--from", path(&model), "--mirror"]].concat();
    assert!(train(&again, &from).contains("model:"));
}

#[test]
fn images_are_enlarged() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    train(&out, &["--enlarge", "2", "--held-out", "9"]);
    let model = Model::open(out.join("model"), &Device::flex()).expect("a model");
    assert_eq!(model.shape(1), [1, 1, 8, 8]);
    let without = model.accepts([1, 1, 8, 8]);
    assert!(without.is_err(), "no image to enlarge");
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let text = train(&out, &["--dry-run"]);
    assert!(
        text.contains("images per second") && text.contains("parameters"),
        "{text}"
    );
    assert!(!out.exists());
}
