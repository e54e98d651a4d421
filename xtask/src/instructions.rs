//! Speed as a count of instructions, which other programs on the machine cannot change. Only counts
//! of one compiler version are comparable. valgrind emulates a processor without AVX-512.

use crate::{Done, cargo, root};
use serde_json::{Map, Value};
use std::process::Command;

/// The workloads of `benches/src/bin/instructions.rs`.
const WORK: [&str; 4] = [
    "convolution",
    "convolution with gradients",
    "group normalisation",
    "two steps of DPM-Solver++",
];
/// The factor by which a count may grow.
const ROOM: f64 = 1.05;

/// Counts the instructions, and fails if a count has grown by more than 5 %. With `record`, writes
/// the counts instead.
pub(crate) fn check(record: bool) -> Done {
    cargo("build --quiet --workspace --bin instructions").run()?;
    let path = root().join("benches/instructions.json");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut counts = Map::new();
    for work in WORK {
        // The instructions of the start are in both counts and cancel.
        let (few, many) = (count(work, 2)?, count(work, 6)?);
        if many <= few {
            return Err(format!("{work}: the more often, the fewer instructions"));
        }
        counts.insert(work.into(), ((many - few) / 4).into());
    }
    if record {
        let text = format!("{:#}\n", Value::Object(counts));
        return std::fs::write(&path, text).map_err(failed);
    }
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    let recorded: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut grown = Vec::new();
    for work in WORK {
        let number = |value: &Value| value.as_f64().ok_or(format!("{work}: no count"));
        let (now, before) = (number(&counts[work])?, number(&recorded[work])?);
        eprintln!(
            "   {work}: {now} instructions, {:.3} of what was",
            now / before
        );
        if now > ROOM * before {
            grown.push(format!("{work}: {now} instructions, {before} recorded"));
        }
    }
    match grown.is_empty() {
        true => Ok(()),
        false => Err(grown.join("; ")),
    }
}

fn count(work: &str, times: u64) -> Result<i64, String> {
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(root().join("target/debug/instructions"))
        .args([work, &times.to_string()])
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{work}: {text}"));
    }
    let count = text.lines().find_map(|line| line.split_once("refs:"));
    let digits: String = count
        .map(|(_, number)| number.chars().filter(char::is_ascii_digit).collect())
        .unwrap_or_default();
    digits
        .parse()
        .map_err(|_| format!("{work}: valgrind counted nothing: {text}"))
}
