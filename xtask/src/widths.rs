//! Runs every test with vectors of every width, whatever the processor, and once with different
//! seeds.
//!
//! The variable `TWEEDIE_WIDTH` overrules the CPU feature detection of the crates that choose
//! instructions at run time. `TWEEDIE_SEED` changes every random seed. Those crates have no such
//! switch, so the tree is copied and built with patched copies of them. The copies are in
//! `target/widths`, which has its own target folder.

use crate::{Done, cargo, root};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that detect CPU features: vectors, matrix products, element-wise operations, transforms.
const ASKING: [&str; 5] = [
    "pulp",
    "gemm-common",
    "macerator",
    "rustfft",
    "matrixmultiply",
];

const QUESTION: &str = "is_x86_feature_detected!(";

/// The code that is added to each of them. All of them are built with the standard library here.
const ANSWER: &str = r#"
/// Whether the variable `TWEEDIE_WIDTH` lets a feature be used.
#[doc(hidden)]
pub fn width_allows(feature: &str) -> bool {
    static WIDTH: ::std::sync::OnceLock<::std::string::String> = ::std::sync::OnceLock::new();
    match WIDTH.get_or_init(|| ::std::env::var("TWEEDIE_WIDTH").unwrap_or_default()).as_str() {
        "128" => feature.starts_with("sse") && !feature.starts_with("sse4"),
        "256" => !feature.starts_with("avx512"),
        _ => true,
    }
}
"#;

/// The line through which every seed passes, and its replacement.
const SEEDING: [&str; 2] = [
    "fn seed_from_u64(mut state: u64) -> Self {",
    "fn seed_from_u64(mut state: u64) -> Self {\n        state ^= crate::other_seed();",
];

const OTHER_SEED: &str = r#"
extern crate std;

/// What the variable `TWEEDIE_SEED` changes every seed by.
#[doc(hidden)]
pub fn other_seed() -> u64 {
    static SEED: ::std::sync::OnceLock<u64> = ::std::sync::OnceLock::new();
    let read = || ::std::env::var("TWEEDIE_SEED").ok().and_then(|seed| seed.parse().ok());
    *SEED.get_or_init(|| read().unwrap_or(0))
}
"#;

/// Tests that record values drawn from a fixed seed.
const OF_THEIR_SEED: [&str; 1] = ["is_no_worse"];

/// Widths in bits. The largest is that of the processor.
const WIDTHS: [&str; 3] = ["128", "256", "512"];

/// Runs the README's test command with one thread and with two, for every width, and once with
/// other seeds.
pub(crate) fn check() -> Done {
    let folder = root().join("target/widths");
    let tree = folder.join("tree");
    copy_tree(&tree)?;
    let mut build = vec!["test --workspace".to_owned()];
    for (name, place) in sources()? {
        let patched = folder.join(&name);
        match ASKING.contains(&&*name) {
            true => patch(&place, &patched, ask_twice, ANSWER)?,
            false => patch(&place, &patched, seed_otherwise, OTHER_SEED)?,
        }
        build.push("--config".into());
        let place = patched.display();
        build.push(format!(
            "patch.crates-io.{name}.path={:?}",
            place.to_string()
        ));
    }
    let words = build.join(" ");
    let target = folder.join("target").display().to_string();
    let run = |more: &str, [width, threads, seed]: [&str; 3]| {
        let mut command = cargo(&format!("{words}{more}"));
        command.0.current_dir(&tree);
        command
            .with("CARGO_TARGET_DIR", &target)
            .with("TWEEDIE_WIDTH", width)
            .with("RAYON_NUM_THREADS", threads)
            .with("TWEEDIE_SEED", seed)
            .run()
    };
    run(" --no-run", ["", "", ""])?;
    let mut wrong = Vec::new();
    for width in WIDTHS {
        for threads in ["1", "2"] {
            eprintln!("── {width} bits, {threads} threads");
            if let Err(error) = run(" --no-fail-fast", [width, threads, ""]) {
                wrong.push(format!("{width} bits, {threads} threads: {error}"));
            }
        }
    }
    eprintln!("── other seeds");
    let skipped = OF_THEIR_SEED.map(|name| format!(" --skip {name}")).concat();
    if let Err(error) = run(
        &format!(" --no-fail-fast --{skipped}"),
        ["", "", "20261129"],
    ) {
        wrong.push(format!("other seeds: {error}"));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n")),
    }
}

/// Copies all files that git tracks or does not ignore, unless they are unchanged.
fn copy_tree(to: &Path) -> Done {
    let root = root();
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let found = git.current_dir(&root).output();
    let found = found.map_err(|error| format!("git: {error}"))?;
    let names = String::from_utf8(found.stdout).map_err(|error| error.to_string())?;
    let _ = std::fs::remove_file(to.join("Cargo.lock"));
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        if root.join(name).is_file() {
            copy(&root.join(name), &to.join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Done {
    let wrong = |error| format!("{}: {error}", from.display());
    let bytes = std::fs::read(from).map_err(wrong)?;
    write(to, &bytes)
}

/// Writes a file unless its contents are the same, so that cargo compiles only what has changed.
fn write(to: &Path, bytes: &[u8]) -> Done {
    let wrong = |error| format!("{}: {error}", to.display());
    if std::fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    std::fs::write(to, bytes).map_err(wrong)
}

/// Returns the source folders of the crates that detect features, and of the one that seeds.
fn sources() -> Result<Vec<(String, PathBuf)>, String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked"]);
    let found = command.current_dir(root()).output();
    let found = found.map_err(|error| format!("cargo metadata: {error}"))?;
    let metadata: Value =
        serde_json::from_slice(&found.stdout).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut places = Vec::new();
    for package in packages {
        let (name, manifest) = (&package["name"], &package["manifest_path"]);
        let (Some(name), Some(manifest)) = (name.as_str(), manifest.as_str()) else {
            continue;
        };
        let seeds = name == "rand_core" && package["version"].as_str().is_some_and(is_seeding);
        if ASKING.contains(&name) || seeds {
            let folder = Path::new(manifest).parent().unwrap_or(Path::new("."));
            places.push((name.to_owned(), folder.to_path_buf()));
        }
    }
    match places.len() == ASKING.len() + 1 {
        true => Ok(places),
        false => Err(format!(
            "of {ASKING:?} and rand_core are {places:?}, each in one version"
        )),
    }
}

/// Returns whether this is the version of `rand_core` that our generators use.
fn is_seeding(version: &str) -> bool {
    version.starts_with("0.10.")
}

/// Copies a crate with changed sources and appends `added` to its `lib.rs`.
fn patch(from: &Path, to: &Path, change: impl Fn(&str) -> (String, usize), added: &str) -> Done {
    let mut asked = 0;
    for (place, name) in files(from, Path::new(""))? {
        let wrong = |error| format!("{}: {error}", place.display());
        let bytes = std::fs::read(&place).map_err(wrong)?;
        let is_source = name.starts_with("src") && name.extension().is_some_and(|it| it == "rs");
        let Some(mut text) = is_source
            .then(|| String::from_utf8(bytes.clone()).ok())
            .flatten()
        else {
            write(&to.join(name), &bytes)?;
            continue;
        };
        let (changed, count) = change(&text);
        asked += count;
        text = changed;
        if name == Path::new("src/lib.rs") {
            text.push_str(added);
        }
        write(&to.join(name), text.as_bytes())?;
    }
    match asked {
        0 => Err(format!("{} asks in another way", from.display())),
        _ => Ok(()),
    }
}

/// Returns every file below `from`, with its relative path.
fn files(from: &Path, below: &Path) -> Result<Vec<(PathBuf, PathBuf)>, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", from.display());
    let mut all = Vec::new();
    for entry in std::fs::read_dir(from.join(below)).map_err(wrong)? {
        let name = below.join(entry.map_err(wrong)?.file_name());
        match from.join(&name).is_dir() {
            true => all.extend(files(from, &name)?),
            false => all.push((from.join(&name), name)),
        }
    }
    Ok(all)
}

/// Changes every seed before it is used.
fn seed_otherwise(text: &str) -> (String, usize) {
    let [before, after] = SEEDING;
    (text.replace(before, after), text.matches(before).count())
}

/// Replaces `is_x86_feature_detected!(f)` by `(width_allows(f) && is_x86_feature_detected!(f))`.
fn ask_twice(text: &str) -> (String, usize) {
    let mut done = String::new();
    let (mut rest, mut count) = (text, 0);
    while let Some(at) = rest.find(QUESTION) {
        let (before, question) = rest.split_at(at);
        let Some(end) = question.find(')') else {
            break;
        };
        let (question, after) = question.split_at(end + 1);
        let feature = &question[QUESTION.len()..end];
        // The path in front of the macro.
        let path = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == ':' || c == '_');
        let prefix = &before[path.len()..];
        // In a macro used by several crates, the crate is `$crate`.
        let owner = match feature.starts_with('$') {
            true => "$crate",
            false => "crate",
        };
        done.push_str(path);
        done.push_str(&format!(
            "({owner}::width_allows({feature}) && {prefix}{question})"
        ));
        rest = after;
        count += 1;
    }
    done.push_str(rest);
    (done, count)
}
