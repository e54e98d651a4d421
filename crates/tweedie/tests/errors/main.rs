#![cfg(unix)]
//! Calls the items of the facade with wrong inputs. Each call must return an error, or panic as its
//! documentation says; a plausible result, an abort or gigabytes of memory are failures.
//!
//! The answers are listed in `docs/ERRORS.md`. `TWEEDIE_WRITE_ERRORS=1 cargo test -p tweedie --test
//! errors` rewrites that file.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may stop at once"
)]

mod core;
mod image;
mod inverse;
mod math;
mod metrics;
mod models;
mod ops;
mod samplers;
mod train;
mod watch;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use tweedie::burn::tensor::{Device, Tensor};

/// One call with a wrong input.
pub(crate) struct Case {
    entry: &'static str,
    input: &'static str,
    /// Whether the documented answer is a panic.
    panics: bool,
    run: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

/// The cases of one crate.
#[derive(Default)]
pub(crate) struct Cases(Vec<Case>);

impl Cases {
    /// Adds a case that must return an error.
    pub(crate) fn error<T, E: Display>(
        &mut self,
        entry: &'static str,
        input: &'static str,
        run: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) {
        self.0.push(Case {
            entry,
            input,
            panics: false,
            run: Box::new(|| run().map(drop).map_err(|error| error.to_string())),
        });
    }

    /// Adds a case that must panic, as documented.
    pub(crate) fn panic<T>(
        &mut self,
        entry: &'static str,
        input: &'static str,
        run: impl FnOnce() -> T + Send + 'static,
    ) {
        self.0.push(Case {
            entry,
            input,
            panics: true,
            run: Box::new(|| {
                drop(run());
                Ok(())
            }),
        });
    }
}

/// The most bytes that a case may allocate at once.
const MOST_BYTES: usize = 256 << 20;

/// The time limit of a case, long enough for a busy machine.
const HANG: Duration = Duration::from_secs(60);

/// Runs a case and returns its message, or why the answer is not acceptable.
fn answer(case: Case) -> Result<String, String> {
    let (sender, receiver) = mpsc::channel();
    let (run, panics) = (case.run, case.panics);
    let thread = std::thread::spawn(move || {
        watch::restart();
        let outcome = catch_unwind(AssertUnwindSafe(run));
        // The receiver is gone after the time limit.
        let _ = sender.send((outcome, watch::most()));
    });
    let Ok((outcome, bytes)) = receiver.recv_timeout(HANG) else {
        return Err("hangs".into());
    };
    thread.join().expect("a thread whose panics are caught");
    if bytes > MOST_BYTES {
        return Err(format!("takes {bytes} bytes"));
    }
    match (outcome, panics) {
        (Ok(Err(error)), false) => Ok(error),
        (Err(panic), true) => Ok(format!("panics: {}", message(&*panic))),
        (Ok(Ok(())), _) => Err("is taken".into()),
        (Ok(Err(error)), true) => Err(format!("gives an error, not the panic: {error}")),
        (Err(panic), false) => Err(format!("panics: {}", message(&*panic))),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "something else than a text".into())
}

#[test]
fn every_wrong_input_has_its_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    std::panic::set_hook(Box::new(|_| {}));
    let mut text = String::from(HEAD);
    let mut wrong = Vec::new();
    let mut tried = 0;
    for (name, cases) in [
        ("math", math::cases()),
        ("core", core::cases()),
        ("samplers", samplers::cases()),
        ("inverse", inverse::cases(folder.path())),
        ("models", models::cases(folder.path())),
        ("train", train::cases(folder.path())),
        ("ops", ops::cases()),
        ("metrics", metrics::cases(folder.path())),
        ("image", image::cases(folder.path())),
    ] {
        text.push_str(&format!(
            "\n## `tweedie::{name}`\n\n| entry | input | answer |\n|---|---|---|\n"
        ));
        for case in cases.0 {
            let (entry, input) = (case.entry, case.input);
            tried += 1;
            match answer(case) {
                Ok(answer) => {
                    let answer = rounded(&answer);
                    let answer = answer
                        .replace(&place, "…")
                        .replace('|', "∣")
                        .replace('\n', " ");
                    text.push_str(&format!("| `{entry}` | {input} | {answer} |\n"));
                }
                Err(error) => wrong.push(format!("{name}: {entry}, {input}: {error}")),
            }
        }
    }
    let _ = std::panic::take_hook();
    println!("{tried} wrong inputs");
    assert!(wrong.is_empty(), "{wrong:#?}");
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ERRORS.md");
    if std::env::var_os("TWEEDIE_WRITE_ERRORS").is_some() {
        tweedie::core::replace_file(&table, text.as_bytes()).expect("written");
    }
    // A packaged crate has no `docs/ERRORS.md`.
    let Ok(written) = std::fs::read_to_string(&table) else {
        return;
    };
    assert!(
        written == text,
        "docs/ERRORS.md is not what the cases answer: write it again"
    );
}

/// Cuts numbers to four decimals, since later digits depend on the processor.
fn rounded(text: &str) -> String {
    let mut short = String::new();
    let mut decimals = None;
    for letter in text.chars() {
        decimals = match (letter, decimals) {
            ('.', None) if short.ends_with(|c: char| c.is_ascii_digit()) => Some(0),
            ('0'..='9', Some(count)) => Some(count + 1),
            _ => None,
        };
        if decimals.is_none_or(|count| count <= 4) {
            short.push(letter);
        }
    }
    short
}

const HEAD: &str = "\
# Wrong inputs and their errors

Generated by `TWEEDIE_WRITE_ERRORS=1 cargo test -p tweedie --test errors`, which tries every row: an
error that says what was wrong and what was expected, or a panic that the item's documentation
announces (a tensor of the wrong shape, as in burn), within a minute and 256 MB. Rows that are
taken, or answered in another way, fail the test.
";

pub(crate) fn device() -> Device {
    Device::flex()
}

pub(crate) fn zeros<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::zeros(shape, &device())
}

/// Writes a file with the given bytes and returns its path.
pub(crate) fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(&path, bytes).expect("a file");
    path
}
