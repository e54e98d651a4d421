//! Invalid input ends with one line on stderr, exit code 2 and no files written.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tweedie::inverse::operator::{AnyLinear, Identity, Scaled};

/// The example `name` that cargo built along with this test.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("this test");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("a target folder");
    Command::new(profile.join("examples").join(name))
}

fn refused(output: &Output, contains: &str, case: &str) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{case}: {text}");
    assert!(
        text.starts_with("error: ") && text.contains(contains),
        "{case}: {text}"
    );
    assert_eq!(text.lines().count(), 1, "{case}: {text}");
}

/// Writes a black image file of this size.
fn image(path: PathBuf, width: u32, height: u32) {
    use tweedie::prelude::*;
    let x = Tensor::<4>::zeros([1, 1, height as usize, width as usize], &Device::flex());
    tweedie::image::save(path, x, ValueRange::Unit).expect("a file");
}

#[test]
fn training_refuses_before_it_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["empty", "mixed", "corrupt"] {
        fs::create_dir(at(name)).expect("a folder");
    }
    image(at("mixed").join("a.png"), 8, 8);
    image(at("mixed").join("b.png"), 8, 10);
    fs::write(at("corrupt").join("a.png"), b"\x89PNG\r\n\x1a\n cut").expect("a file");
    fs::write(at("text.idx"), b"no images").expect("a file");
    let data = |name: &str| ["--data".to_owned(), at(name).display().to_string()];
    let word = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for (arguments, contains) in [
        (data("nowhere").to_vec(), "nowhere"),
        (data("empty").to_vec(), "no images in this folder"),
        (data("corrupt").to_vec(), "a.png"),
        (data("mixed").to_vec(), "8×10 pixels, expected 8×8"),
        (data("text.idx").to_vec(), "not an IDX file"),
        (word("--steps 0"), "steps has to be at least 1"),
        (word("--batch 0"), "batch has to be from 1 to 16,777,216"),
        (word("--width 9"), "groups"),
        (word("--patch 3"), "--patch 3"),
        (word("--rate nan"), "learning rate"),
        (word("--size 8"), "folder of images"),
        (word("--phantoms 2 --size 0"), "at least 1×1 pixels"),
        (word("--resume"), "latest"),
        (word("--held-out 1797"), "leaves none"),
        (word("--offset-noise -1"), "offset noise"),
        (word("--classes --guidance nan"), "--guidance"),
        (
            [data("mixed").to_vec(), word("--classes --size 8")].concat(),
            "--labels",
        ),
    ] {
        let out = at("out");
        let output = example("train")
            .args(&arguments)
            .arg("--out")
            .arg(&out)
            .output();
        refused(
            &output.expect("the example"),
            contains,
            &format!("{arguments:?}"),
        );
        assert!(!out.exists(), "{arguments:?} wrote something");
    }
}

#[test]
fn training_does_not_touch_a_checkpoint_of_another_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let train = |more: &[&str]| {
        let small = ["--batch", "2", "--width", "8", "--steps", "1", "--out"];
        example("train")
            .args(small)
            .arg(&out)
            .args(more)
            .output()
            .expect("the example")
    };
    let first = train(&[]);
    assert!(
        first.status.success(),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    let stored = || fs::read(out.join("checkpoints/step-000001/run.json")).expect("a file");
    let before = stored();
    refused(&train(&[]), "--resume continues it", "a second run");
    refused(
        &train(&["--resume", "--seed", "5"]),
        "settings.seed 0, this run 5",
        "another seed",
    );
    refused(
        &train(&["--resume", "--blocks", "2"]),
        "blocks 1, this run 2",
        "another network",
    );
    assert_eq!(stored(), before);
    assert!(
        train(&["--resume"]).status.success(),
        "nothing left to do is no error"
    );
}

#[test]
fn the_other_examples_refuse_before_they_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("picture.png");
    for (name, arguments, contains) in [
        ("restore", "--model nowhere", "nowhere"),
        ("restore", "--steps 0", "at least 1 step"),
        ("restore", "--sigma -1", "above 0"),
        ("restore", "--strength nan", "--strength"),
        ("restore", "--task phase --method pigdm", "not linear"),
        ("restore", "--task phase --method daps", "daps-langevin"),
        ("restore", "--task sr2 --method ilvr", "of the image's size"),
        (
            "restore",
            "--method ddnm-plus --sampler heun",
            "heun does not go with --method ddnm-plus",
        ),
        ("restore", "--method ddrm --strength 1", "no --strength"),
        ("latent", "--data nowhere", "nowhere"),
        ("latent", "--latent 0", "latent"),
        ("latent", "--std 0", "standard deviation"),
        ("latent", "--diffusion-steps 0", "steps"),
        ("mixture", "--steps 0", "at least 1 step"),
        ("mixture", "--points 0", "--points"),
        ("samplers", "--points 0", "--points"),
        ("trajectory", "--model nowhere", "nowhere"),
        ("trajectory", "--steps 0", "at least 1 step"),
        ("trajectory", "--images 0", "--images"),
        ("photo", "nowhere.png", "nowhere.png"),
        ("photo", "--sigma 0", "above 0"),
        ("photo", "--sigma 0.3", "at most 0.192"),
        ("photo", "--steps 1", "--steps"),
        ("photo", "--moves 0", "at least 1 step"),
        ("phantom", "--model nowhere", "nowhere"),
        ("phantom", "--sigma 0", "above 0"),
        ("phantom", "--amount 0", "at least 1"),
        ("phantom", "--scan mri --amount 0", "at least 1"),
        ("phantom", "--steps 0", "at least 1"),
        ("photo", "--lpips nowhere", "nowhere"),
        ("operators", "--photo nowhere", "nowhere"),
        ("operators", "--photo camera", "camera"),
    ] {
        let output = example(name)
            .args(arguments.split(' '))
            .arg("--out")
            .arg(&out)
            .output();
        refused(&output.expect("the example"), contains, arguments);
        assert!(!out.exists(), "{name} {arguments} wrote something");
    }
}

#[test]
fn a_restoration_refuses_what_does_not_fit_and_leaves_no_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    image(folder.path().join("grey.png"), 28, 28);
    image(folder.path().join("small.png"), 10, 10);
    fs::write(at("text.png"), b"no image").expect("a file");
    let double = AnyLinear::from(Scaled::new(Identity, 2.0));
    let json = serde_json::to_string(&double).expect("JSON");
    fs::write(at("double.json"), json).expect("a file");
    let out = folder.path().join("out");
    for (arguments, contains) in [
        (vec!["--image".to_owned(), at("nowhere.png")], "nowhere.png"),
        (vec!["--image".to_owned(), at("text.png")], "text.png"),
        (
            image_and(&at("grey.png"), "--operator reduce:5 --simulate"),
            "no multiple of 5",
        ),
        (image_and(&at("grey.png"), "--operator mosaic"), "colour"),
        (
            image_and(&at("grey.png"), "--model ffdnet --method dpir"),
            "3 channels",
        ),
        (
            image_and(&at("grey.png"), "--noise laplace:0.1 --method ddrm"),
            "does not go with",
        ),
        (
            image_and(&at("grey.png"), &format!("--mask {}", at("small.png"))),
            "the mask has",
        ),
        (
            image_and(
                &at("grey.png"),
                &format!(
                    "--simulate --noise poisson:9 --operator json:{}",
                    at("double.json")
                ),
            ),
            "leaves a white image white",
        ),
        (
            image_and(&at("grey.png"), "--operator kernel:nowhere.npy"),
            "nowhere.npy",
        ),
        (
            image_and(
                &at("grey.png"),
                &format!("--operator json:{}", at("text.png")),
            ),
            "text.png",
        ),
        (
            image_and(
                &at("grey.png"),
                &format!("--operator kernel:{}", at("grey.png")),
            ),
            "sum has to be above 0",
        ),
        (
            vec!["--replay".to_owned(), at("nothing")],
            "experiment.json",
        ),
    ] {
        let output = example("restore")
            .args(&arguments)
            .arg("--out")
            .arg(&out)
            .output();
        refused(
            &output.expect("the example"),
            contains,
            &format!("{arguments:?}"),
        );
        assert!(!out.exists(), "{arguments:?} wrote something");
    }
}

/// `--image` and the words of a command line.
fn image_and(image: &str, words: &str) -> Vec<String> {
    let image = ["--image", image].map(str::to_owned);
    image
        .into_iter()
        .chain(words.split(' ').map(str::to_owned))
        .collect()
}

#[test]
fn a_checkpoint_that_is_none_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("weights.safetensors"), b"no tensors").expect("a file");
    fs::create_dir(at("empty")).expect("a folder");
    let out = at("out").join("samples.png");
    for (name, contains) in [
        ("nowhere", "nowhere"),
        ("empty", "config.json"),
        ("weights.safetensors", "weights.safetensors"),
    ] {
        let output = example("checkpoint")
            .arg(at(name))
            .arg("--out")
            .arg(&out)
            .output()
            .expect("a run");
        refused(&output, contains, name);
    }
    let output = example("checkpoint")
        .args(["--steps", "0", "--out"])
        .arg(&out)
        .output()
        .expect("a run");
    refused(&output, "at least 1 step", "no steps");
    assert!(!out.exists());
}
