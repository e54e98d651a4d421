//! Replays golden cases: `cargo xtask golden DIR`. With `--strict`, a field of a case that no code
//! reads is a failure.

use std::path::Path;
use std::process::ExitCode;
use tweedie_golden::{Outcome, replay};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let strict = arguments.iter().any(|argument| argument == "--strict");
    let Some(folder) = arguments.iter().find(|argument| *argument != "--strict") else {
        eprintln!("error: name the folder of golden cases: cargo xtask golden DIR [--strict]");
        return ExitCode::from(2);
    };
    let lines = match replay(Path::new(folder), strict) {
        Ok(lines) => lines,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for line in lines {
        let name = format!("{} {} ({})", line.file, line.id, line.kind);
        match line.outcome {
            Outcome::Ran(c) => {
                let errors = format!(
                    "abs {:.1e} rel {:.1e} tolerance {:.0e}",
                    c.absolute, c.relative, c.tolerance
                );
                match c.broken {
                    None => {
                        passed += 1;
                        println!("{name}: {errors} pass");
                    }
                    Some(what) => {
                        failed += 1;
                        println!("{name}: {errors} FAIL {what}");
                    }
                }
            }
            Outcome::Skipped(reason) => {
                skipped += 1;
                println!("{name}: unsupported: {reason}");
            }
            Outcome::Broken(reason) => {
                failed += 1;
                println!("{name}: FAIL {reason}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ExitCode::from(u8::from(failed > 0))
}
