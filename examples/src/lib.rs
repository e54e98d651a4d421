//! What the example programs share: how they end.

use std::fmt::Display;
use std::process::ExitCode;

/// Exit code for input that makes no sense.
const BAD_INPUT: u8 = 2;

/// Runs a program: an error becomes one clear line and exit code 2.
pub fn finish<E: Display>(result: Result<ExitCode, E>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            let text = error.to_string();
            let line: Vec<&str> = text.split_whitespace().collect();
            eprintln!("error: {}", line.join(" "));
            ExitCode::from(BAD_INPUT)
        }
    }
}
