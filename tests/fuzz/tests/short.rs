//! A short run of the fuzz target: it starts, opens some inputs and finds no failures.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use std::process::Command;

#[test]
fn some_inputs_are_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_tweedie-fuzz"))
        .args(["300", "1", "1500"])
        .current_dir(folder.path())
        .output()
        .expect("a run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let last = text.lines().last().unwrap_or_default();
    // If some inputs open, the corpus is still readable.
    assert!(
        last.ends_with("0 failures") && !last.contains(" 0 opened"),
        "{last}"
    );
}
