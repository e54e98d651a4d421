//! The bundled golden cases pass.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use std::path::Path;
use tweedie_golden::{GoldenError, Outcome, replay};

#[test]
fn every_bundled_case_passes_or_says_why_it_was_not_run() -> Result<(), GoldenError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for line in replay(&folder, true)? {
        match line.outcome {
            Outcome::Ran(comparison) if comparison.passed() => passed += 1,
            Outcome::Skipped(_) => skipped += 1,
            other => failed.push(format!("{} {}: {other:?}", line.file, line.id)),
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    // A case that is no longer recognised would be skipped and would not fail.
    assert_eq!((passed, skipped), (711, 15));
    Ok(())
}

#[test]
fn a_folder_without_cases_is_an_error() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert!(matches!(replay(&folder, true), Err(GoldenError::Empty(_))));
    assert!(replay(Path::new("no such folder"), false).is_err());
}
