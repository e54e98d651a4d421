//! The comparison with PyTorch: each case runs on both sides in turn, in one session.

use crate::{Done, cargo, page, root};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Network, work and batch of each case.
const NETWORKS: [&str; 7] = [
    "ddpm-cifar10/forward/1",
    "ddpm-cifar10/forward/16",
    "ddpm-cifar10/dps/1",
    "ddpm-cifar10/dps/16",
    "ddpm-cifar10/training/8",
    "mnist-size/forward/64",
    "mnist-size/training/64",
];
/// Layer, work and batch of each case.
const LAYERS: [&str; 9] = [
    "convolution/forward/8",
    "convolution/dps/8",
    "convolution/training/8",
    "group-norm/forward/8",
    "group-norm/training/8",
    "silu/forward/8",
    "silu/training/8",
    "attention/forward/8",
    "attention/training/8",
];
const MODES: [&str; 3] = ["eager", "channels_last", "compiled"];
const ROUNDS: usize = 2;
const MARKS: [[&str; 2]; 2] = [
    ["<!-- peers -->", "<!-- end of peers -->"],
    ["<!-- layers -->", "<!-- end of layers -->"],
];

/// The least time in ms and the largest memory in MB.
pub(crate) type Found = (f64, f64);

/// Runs all cases, each side in turn, and writes the tables into `docs/BENCHMARKS.md`.
///
/// PyTorch takes minutes in each process to compile a network. The compiled mode therefore runs
/// only once, and only for cases whose name contains `compiled`.
pub(crate) fn compare(python: &str, compiled: Option<&str>) -> Done {
    cargo("build --quiet --profile measure --workspace --bin peer").run()?;
    let machine = run(&root().join("target/measure/peer"), &["machine"])?;
    let (products, copies) = (machine.0 / 1e9, machine.1 / 1e9);
    let note = format!("\nThe machine: {products:.0} GFLOP/s, {copies:.1} GB/s.\n");
    let [networks, layers] = MARKS;
    let table = table(python, &NETWORKS, ("4", compiled), machine)?;
    page::replace("docs/BENCHMARKS.md", networks, &(table + &note))?;
    let table = self::table(python, &LAYERS, ("1", compiled), machine)?;
    page::replace("docs/BENCHMARKS.md", layers, &table)
}

/// Returns a table with one row per case, each measured for `seconds`.
fn table(
    python: &str,
    cases: &[&str],
    (seconds, compiled): (&str, Option<&str>),
    (flop, bytes): Found,
) -> Result<String, String> {
    let ours = root().join("target/measure/peer");
    let theirs = root().join("benches/peers/peer.py").display().to_string();
    let mut rows = String::from(
        "| case | here | eager | channels last | compiled | faster by | limit | memory here | memory there |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for case in cases {
        let mut best = [None; 1 + MODES.len()];
        for round in 0..ROUNDS {
            better(&mut best[0], run(&ours, &[case, seconds])?);
            let asked = compiled.is_some_and(|word| case.contains(word));
            let modes = if asked && round == 0 { 3 } else { 2 };
            for (best, mode) in best[1..].iter_mut().zip(&MODES[..modes]) {
                // A mode that fails, for example because there is no compiler, does not count.
                match run(Path::new(python), &[&theirs, case, seconds, mode]) {
                    Ok(found) => better(best, found),
                    Err(error) => eprintln!("{mode}: {error}"),
                }
            }
        }
        let (products, moved) = run(Path::new(python), &[&theirs, case, "count"])?;
        let limit = 1e3 * f64::max(products / flop, moved / bytes);
        let row = row(case, best, limit).ok_or(format!("{case}: PyTorch ran in no mode"))?;
        eprint!("{row}");
        rows += &row;
    }
    Ok(rows)
}

fn better(best: &mut Option<Found>, (time, memory): Found) {
    let (least, most) = best.unwrap_or((f64::INFINITY, 0.0));
    *best = Some((least.min(time), most.max(memory)));
}

/// Returns the row of a case, or `None` if PyTorch ran in no mode.
fn row(case: &str, best: [Option<Found>; 4], limit: f64) -> Option<String> {
    let [ours, theirs @ ..] = best;
    let (time, memory) = ours?;
    let fastest = theirs.iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0))?;
    let mut row = format!("| {case} | {} |", milliseconds(time));
    for found in theirs {
        let cell = found.map_or("–".into(), |(time, _)| milliseconds(time));
        write!(row, " {cell} |").ok()?;
    }
    let (ratio, there, limit) = (fastest.0 / time, fastest.1, milliseconds(limit));
    writeln!(
        row,
        " {ratio:.2} | {limit} | {memory:.0} MB | {there:.0} MB |"
    )
    .ok()?;
    Some(row)
}

/// Formats a time with three digits.
fn milliseconds(time: f64) -> String {
    match time {
        ..10.0 => format!("{time:.2} ms"),
        10.0..100.0 => format!("{time:.1} ms"),
        _ => format!("{time:.0} ms"),
    }
}

/// Runs one case and returns the two numbers that it prints: the least time in ms and the largest
/// memory in MB.
pub(crate) fn run(program: &Path, arguments: &[&str]) -> Result<Found, String> {
    // Both sides use two threads.
    let mut command = Command::new(program);
    let output = command
        .args(arguments)
        .env("RAYON_NUM_THREADS", "2")
        // Commit pages only on use, and keep freed pages between two layers.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .env("MIMALLOC_PURGE_DELAY", "100")
        .output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().flat_map(str::parse).collect();
    match numbers[..] {
        [time, memory] if output.status.success() => Ok((time, memory)),
        _ => {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(error.lines().last().unwrap_or("no figures").to_owned())
        }
    }
}
