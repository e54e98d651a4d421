//! Property tests of the mathematics.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod kernels;
mod multistep;
mod numbers;
mod paths;
mod predictions;
mod schedules;
mod serialisation;
mod training;

use approx::abs_diff_eq;
use tweedie_catalogue::schedules;

#[track_caller]
fn close(name: &str, found: f64, expected: f64, tolerance: f64) {
    let scale = 1.0 + expected.abs();
    assert!(
        abs_diff_eq!(found, expected, epsilon = tolerance * scale),
        "{name}: {found} instead of {expected}"
    );
}
