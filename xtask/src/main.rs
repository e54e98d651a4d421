//! The project's own tasks: `cargo xtask check`, `cargo xtask golden DIR`, `cargo xtask posterior`,
//! `cargo xtask book`, `cargo xtask peers PYTHON`, `cargo xtask gpu`.

mod book;
mod examples;
mod gpu;
mod instructions;
mod layers;
mod lengths;
mod lists;
mod page;
mod peers;
mod sanitize;
mod widths;

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["check"] => check(),
        ["check", "--slow"] => check().and_then(|()| instructions::check(false)),
        ["check", "--widths"] => widths::check(),
        ["check", "--sanitize"] => sanitize::check(),
        ["instructions"] => instructions::check(false),
        ["instructions", "record"] => instructions::check(true),
        ["layers"] => layers::check(),
        ["lengths"] => lengths::check(),
        ["lists"] => lists::check(),
        ["outside"] => outside(),
        ["golden", folder] => return golden(folder, &[]),
        ["golden", folder, "--strict"] => return golden(folder, &["--strict"]),
        ["book"] => book::build(),
        ["posterior"] => posterior(),
        ["gpu"] => gpu::run(None),
        ["gpu", "build"] => gpu::build().map(drop),
        ["gpu", python] => gpu::run(Some(python)),
        ["peers", python] => peers::compare(python, None),
        ["peers", python, "compiled"] => peers::compare(python, Some("")),
        ["peers", python, "compiled", word] => peers::compare(python, Some(word)),
        _ => Err(
            "usage: cargo xtask check [--slow | --widths | --sanitize] | instructions [record] | layers | lengths | lists | outside | golden DIR | book | posterior | peers PYTHON [compiled [WORD]] | gpu [build | PYTHON]"
                .into(),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), String>;
type Step = (&'static str, fn() -> Done);

/// Runs all checks, cheapest first, up to the first failure.
fn check() -> Done {
    let steps: [Step; 14] = [
        // One style, so that a diff shows only what changed.
        ("format", || cargo("fmt --all -- --check").run()),
        // Dependencies point one way, so a layer can be read without those above it.
        ("layers", layers::check),
        // Short files, with one method each.
        ("file lengths", lengths::check),
        // Every method is in the list that the tests of its kind run over.
        ("lists", lists::check),
        // Skipped if the tool is not installed.
        ("spelling", || optional("typos", &[])),
        // Licences, advisories, duplicate versions; also skipped if the tool is not installed.
        ("dependencies", || optional("cargo-deny", &["check"])),
        // Warnings of the compiler and of clippy are errors.
        ("clippy", || {
            cargo("clippy --workspace --all-targets -- -D warnings").run()
        }),
        // Broken links and items without documentation are errors.
        ("documentation", || {
            cargo("doc --workspace --no-deps")
                .with("RUSTDOCFLAGS", "-D warnings")
                .run()
        }),
        // Every crate can be packaged for publication.
        ("packages", packages),
        // The README's command: unit tests, laws, oracles, golden cases, documentation.
        ("tests", || cargo("test --workspace").run()),
        ("golden cases", || {
            cargo("run --quiet --bin golden -- tests/golden/data --strict").run()
        }),
        ("examples", examples::run),
        // The figures of the book have just been drawn.
        ("book", book::check),
        // A user's crate outside the workspace, with its own network.
        ("outside", outside),
    ];
    for (name, step) in steps {
        eprintln!("── {name}");
        step().map_err(|error| format!("{name}: {error}"))?;
    }
    eprintln!("── all checks passed");
    Ok(())
}

/// Packages every published crate without compiling it, because the other steps do.
fn packages() -> Done {
    let crates = std::fs::read_dir(root().join("crates")).map_err(|error| error.to_string())?;
    let mut command = cargo("package --quiet --no-verify --allow-dirty");
    for folder in crates {
        let name = folder.map_err(|error| error.to_string())?.file_name();
        command = command.and("--package").and(&name.to_string_lossy());
    }
    command.run()
}

/// Builds and runs the crate under `tests/outside`, which depends on `tweedie` by path and shares
/// the target folder. Built alone, it enables fewer features of some dependencies than the
/// workspace, so the first run compiles burn's CPU backend again.
fn outside() -> Done {
    let manifest = root().join("tests/outside/Cargo.toml");
    let lock = manifest.with_file_name("Cargo.lock");
    // Uses the versions of the workspace, so that its artefacts can be reused.
    std::fs::copy(root().join("Cargo.lock"), lock).map_err(|error| error.to_string())?;
    let target = root().join("target");
    let profile = target.join("profile.toml");
    std::fs::create_dir_all(&target)
        .and_then(|()| std::fs::write(&profile, development()?))
        .map_err(|error| error.to_string())?;
    cargo("run --quiet --manifest-path")
        .and(&manifest.display().to_string())
        .and("--config")
        .and(&profile.display().to_string())
        .with("CARGO_TARGET_DIR", &target.display().to_string())
        .run()
}

/// Returns the tables of the development profile from the workspace's manifest.
fn development() -> std::io::Result<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml"))?;
    let tables = manifest
        .split_inclusive("\n[")
        .map(|table| table.trim_end_matches('['));
    let ours = tables.filter(|table| table.starts_with("profile.dev"));
    Ok(ours.map(|table| format!("[{table}")).collect())
}

/// Replays the golden cases of a folder and returns the exit status of the replay.
fn golden(folder: &str, options: &[&str]) -> ExitCode {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    let Cargo(mut command, _) = cargo("run --quiet --bin golden --");
    match command.arg(folder).args(options).status() {
        Ok(status) => ExitCode::from(status.code().unwrap_or(1).clamp(0, 255) as u8),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures every posterior method and writes the tables into `docs/POSTERIOR.md`, after its text.
/// Earlier results are kept in `out/posterior`, so that an interrupted run can continue.
fn posterior() -> Done {
    cargo("run --quiet --bin posterior -- --out out/posterior").run()?;
    let tables = std::fs::read_to_string(root().join("out/posterior/posterior.md"));
    let tables = tables.map_err(|error| error.to_string())?;
    let marks = ["<!-- tables -->", "<!-- end of tables -->"];
    page::replace("docs/POSTERIOR.md", marks, &tables)
}

fn root() -> std::path::PathBuf {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Runs a tool if it is installed.
fn optional(tool: &str, arguments: &[&str]) -> Done {
    let mut command = Command::new(tool);
    command.args(arguments).current_dir(root());
    match command.status() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("   {tool} is not installed: skipped");
            Ok(())
        }
        status => succeeded(tool, status),
    }
}

struct Cargo(Command, String);

/// Returns a cargo command; `words` are separated by spaces.
fn cargo(words: &str) -> Cargo {
    let mut command = Command::new(env!("CARGO"));
    command.args(words.split(' ')).current_dir(root());
    Cargo(command, format!("cargo {words}"))
}

impl Cargo {
    fn and(mut self, word: &str) -> Self {
        self.0.arg(word);
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    fn run(mut self) -> Done {
        let status = self.0.status();
        succeeded(&self.1, status)
    }
}

fn succeeded(what: &str, status: std::io::Result<std::process::ExitStatus>) -> Done {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what}: {status}")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}
