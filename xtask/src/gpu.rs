//! Checks the library on a GPU against the CPU and times it, with burn's fusion and autotuning off
//! and on.

use crate::{Done, cargo, page, peers, root};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MARKS: [&str; 2] = ["<!-- gpu -->", "<!-- end of gpu -->"];
/// Optimisations of burn for GPUs. Each gave wrong results in some version.
const VARIANTS: [(&str, &str); 4] = [
    ("plain", "vulkan"),
    ("autotune", "vulkan,autotune"),
    ("fusion", "vulkan,fusion"),
    ("fusion-autotune", "vulkan,fusion,autotune"),
];

/// Builds one binary for each variant, which runs on any machine with a Vulkan driver.
pub(crate) fn build() -> Result<Vec<(&'static str, PathBuf)>, String> {
    let target = root().join("target/gpu");
    let folder = target.join("bin");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut built = Vec::new();
    for (name, features) in VARIANTS {
        cargo("build --quiet --release -p tweedie-gpu --features")
            .and(features)
            .with("CARGO_TARGET_DIR", &target.display().to_string())
            // Link-time optimisation of wgpu would take as long as the rest of the build.
            .with("CARGO_PROFILE_RELEASE_LTO", "off")
            .run()?;
        let to = folder.join(format!("tweedie-gpu-{name}"));
        std::fs::copy(target.join("release/tweedie-gpu"), &to)
            .map_err(|error| format!("{}: {error}", to.display()))?;
        eprintln!("built: {}", to.display());
        built.push((name, to));
    }
    Ok(built)
}

/// Checks every variant, times those that pass, and writes the tables into `docs/BENCHMARKS.md`.
/// With a Python interpreter that has torch with CUDA, it also times PyTorch.
pub(crate) fn run(python: Option<&str>) -> Done {
    let mut text = String::new();
    let mut right = Vec::new();
    for (name, binary) in build()? {
        eprintln!("── check, {name}");
        let (output, passed) = captured(&binary, &["check"])?;
        // Without a summary, the program panicked before the first row, for example because there
        // is no device.
        let last = output.lines().last().unwrap_or("no output");
        if !output.contains("seams,") {
            return Err(format!("{name}: {last}"));
        }
        add(&mut text, &format!("{name}: {last}\n"));
        if passed {
            right.push((name, binary));
        }
    }
    let mut cases = Vec::new();
    for (name, binary) in &right {
        for precision in [&[][..], &["--bf16"]] {
            eprintln!("── bench, {name} {}", precision.join(" "));
            let (table, _) = captured(binary, &[&["bench"], precision].concat())?;
            match (table.is_empty(), precision) {
                (false, _) => {}
                (true, []) => return Err(format!("{name}: nothing was timed")),
                // The reason was printed to stderr.
                (true, _) => {
                    add(
                        &mut text,
                        &format!("{name}: half precision is wrong, not timed\n"),
                    );
                    continue;
                }
            }
            add(&mut text, &format!("{name}:\n\n{table}"));
            let rows = table.lines().skip(2).flat_map(|row| row.split(' ').nth(1));
            cases = rows.map(str::to_owned).collect();
        }
    }
    if let Some(python) = python {
        add(
            &mut text,
            "PyTorch:\n\n| case | precision | mode | ms | MB |\n|---|---|---|---|---|\n",
        );
        let script = root().join("benches/peers/peer.py").display().to_string();
        // The `burn-` cases have no counterpart in PyTorch.
        for case in cases.iter().filter(|case| !case.starts_with("burn-")) {
            let modes =
                ["f32", "tf32", "bf16"].map(|p| ["eager", "compiled"].map(|mode| (p, mode)));
            for (precision, mode) in modes.into_iter().flatten() {
                let words = [&*script, case, "5", mode, "cuda", precision];
                match peers::run(Path::new(python), &words) {
                    Ok((ms, memory)) => add(
                        &mut text,
                        &format!("| {case} | {precision} | {mode} | {ms:.2} | {memory:.0} |\n"),
                    ),
                    Err(error) => eprintln!("{case}, {precision}, {mode}: {error}"),
                }
            }
        }
    }
    page::replace("docs/BENCHMARKS.md", MARKS, &text)?;
    match right.len() == VARIANTS.len() {
        true => Ok(()),
        false => Err("not every variant agrees with the CPU".into()),
    }
}

fn add(text: &mut String, words: &str) {
    eprint!("{words}");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{words}");
}

/// Returns the standard output of a program, and whether it succeeded.
fn captured(program: &Path, arguments: &[&str]) -> Result<(String, bool), String> {
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((text, output.status.success()))
}
