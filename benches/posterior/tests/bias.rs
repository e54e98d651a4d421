//! No method may get worse than its recorded scores.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::abs_diff_eq;
use tweedie_posterior::{Prior, Problem, Row, Scores, Task, bar, floor};

/// Measured by `cargo run --bin posterior -- --prior plane --measurements 8 --nudged`.
const RECORDED: &str = include_str!("recorded.json");

const MEASUREMENTS: usize = 8;
const DRAWS: usize = 64;
const MOVES: usize = 60;

fn recorded() -> Vec<Row> {
    serde_json::from_str(RECORDED).expect("recorded rows")
}

/// Checks that no score gets worse than recorded by more than its bar. The seeds are the same, so
/// two runs differ by little but rounding; rows that rounding can change are skipped.
fn no_worse(task: Task, sigma: f64) {
    let problem = Problem::new(Prior::Plane, task, sigma, MEASUREMENTS).expect("a problem");
    let mut wrong = Vec::new();
    let mut compared = 0;
    for row in recorded() {
        assert_eq!(row.prior, Prior::Plane);
        if (row.task, row.sigma) != (task, sigma) {
            continue;
        }
        let Some(method) = row.method else { continue };
        let run = method.run(&problem, row.walk, DRAWS, MOVES).expect("a run");
        let found = Scores::of(&problem, &run.draws);
        let (asked, before) = (run.evaluations, row.evaluations);
        let room = if method.iterates() { before / 10 } else { 0 };
        assert!(
            asked.abs_diff(before) <= room,
            "{}: {asked}, {before}",
            method.name()
        );
        let (Some(before), true) = (row.scores, row.stable) else {
            continue;
        };
        compared += 1;
        let Some(found) = found else {
            wrong.push((method.name(), row.walk, f64::NAN, before.mean));
            continue;
        };
        for (now, then) in found.errors().into_iter().zip(before.errors()) {
            if now > then + bar(then) {
                wrong.push((method.name(), row.walk, now, then));
            }
        }
    }
    assert!(compared > 20, "{compared} methods");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn inpainting_is_no_worse() {
    no_worse(Task::Inpainting, 0.5);
}

#[test]
fn denoising_is_no_worse() {
    no_worse(Task::Denoising, 0.5);
}

#[test]
fn deblurring_is_no_worse() {
    no_worse(Task::Blur, 0.1);
}

#[test]
fn super_resolution_is_no_worse() {
    no_worse(Task::SuperResolution, 0.1);
}

/// The scores themselves: exact draws have no error, and scaled draws have one.
#[test]
fn exact_draws_are_exact() {
    let problem = Problem::new(Prior::Plane, Task::Blur, 0.5, 16).expect("a problem");
    let draws = floor(&problem, 256);
    let scores = Scores::of(&problem, &draws).expect("scores");
    assert!(
        scores.mean < 0.1 && abs_diff_eq!(scores.variance, 1.0, epsilon = 0.1),
        "{scores:?}"
    );
    assert!(
        abs_diff_eq!(scores.half, 0.5, epsilon = 0.05)
            && abs_diff_eq!(scores.ninety, 0.9, epsilon = 0.04),
        "{scores:?}"
    );
    assert!(scores.ranks < 0.05, "{scores:?}");
    let narrow = Scores::of(&problem, &(draws.clone() * 0.5)).expect("scores");
    assert!(
        abs_diff_eq!(narrow.variance, 0.25, epsilon = 0.05) && narrow.mean > 0.3,
        "{narrow:?}"
    );
    assert!(Scores::of(&problem, &(draws / 0.0)).is_none());
}
