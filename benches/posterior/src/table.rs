//! The tables of the documentation.

use crate::{Method, Prior, Scores, Task, Walk};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// One method on one problem.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The prior.
    pub prior: Prior,
    /// The measured quantity.
    pub task: Task,
    /// The standard deviation of the noise.
    pub sigma: f64,
    /// The method, or `None` for exact draws.
    pub method: Option<Method>,
    /// The step of its chain.
    pub walk: Walk,
    /// The scores, or `None` if a draw is not finite.
    pub scores: Option<Scores>,
    /// Whether the scores stay the same if the measurement changes in the fifth digit.
    ///
    /// A chain that diverges amplifies this change, and likewise the rounding of a processor. Its
    /// scores then depend on the machine and are not compared with other runs.
    #[serde(default = "yes")]
    pub stable: bool,
    /// The number of evaluations of the denoiser.
    pub evaluations: usize,
    /// The wall time in seconds.
    pub seconds: f64,
}

fn yes() -> bool {
    true
}

/// Returns the rows as Markdown tables, one for each problem.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut problem = None;
    for row in rows {
        let this = (row.prior, row.task, row.sigma.to_bits());
        if problem != Some(this) {
            problem = Some(this);
            let _ = writeln!(
                text,
                "\n### {}, {}, σ_y = {}\n\n\
                 | method | moves | mean | variance | covariance | SW₂ | 50 % | 90 % | ranks | NFE | s |\n\
                 |---|---|---|---|---|---|---|---|---|---|---|",
                prior_name(row.prior),
                task_name(row.task),
                row.sigma
            );
        }
        let (name, walk) = (label(row.method), walk_name(row.walk));
        let _ = write!(text, "| {name} | {walk} | ");
        let _ = match (row.scores, row.method.is_some_and(Method::is_point)) {
            (None, _) => write!(text, "diverges | | | | | | | "),
            (Some(s), true) => write!(text, "{:.2} | point | | | | | | ", s.mean),
            (Some(s), false) => write!(
                text,
                "{:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.2} | ",
                s.mean,
                s.variance,
                s.covariance,
                s.wasserstein,
                100.0 * s.half,
                100.0 * s.ninety,
                s.ranks
            ),
        };
        let _ = writeln!(text, "{} | {:.1} |", row.evaluations, row.seconds);
    }
    text
}

/// Returns tables of the medians of every method over the problems of each prior.
#[must_use]
pub fn summary(rows: &[Row]) -> String {
    let mut text = String::new();
    for prior in Prior::ALL {
        let of = |row: &&Row| row.prior == prior;
        let mut kinds: Vec<(Option<Method>, Walk)> = Vec::new();
        for row in rows.iter().filter(of) {
            if !kinds.contains(&(row.method, row.walk)) {
                kinds.push((row.method, row.walk));
            }
        }
        if kinds.is_empty() {
            continue;
        }
        let _ = writeln!(
            text,
            "\n### {}: medians over its problems\n\n\
             | method | moves | mean | variance | SW₂ | 50 % | 90 % | ranks | diverged |\n\
             |---|---|---|---|---|---|---|---|---|",
            prior_name(prior)
        );
        for (method, walk) in kinds {
            let same = |row: &&Row| (row.method, row.walk) == (method, walk);
            let all: Vec<&Row> = rows.iter().filter(of).filter(same).collect();
            let scores: Vec<Scores> = all.iter().filter_map(|row| row.scores).collect();
            let median = |f: fn(&Scores) -> f64| {
                let mut values: Vec<f64> = scores.iter().map(f).collect();
                values.sort_by(f64::total_cmp);
                values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
            };
            let _ = write!(text, "| {} | {} | ", label(method), walk_name(walk));
            let _ = match (scores.is_empty(), method.is_some_and(Method::is_point)) {
                (true, _) => write!(text, "| | | | | | "),
                (_, true) => write!(text, "{:.2} | point | | | | | ", median(|s| s.mean)),
                _ => write!(
                    text,
                    "{:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.2} | ",
                    median(|s| s.mean),
                    median(|s| s.variance),
                    median(|s| s.wasserstein),
                    100.0 * median(|s| s.half),
                    100.0 * median(|s| s.ninety),
                    median(|s| s.ranks)
                ),
            };
            let _ = match all.len() - scores.len() {
                0 => writeln!(text, "|"),
                diverged => writeln!(text, "{diverged} of {} |", all.len()),
            };
        }
    }
    text
}

fn label(method: Option<Method>) -> &'static str {
    method.map_or("*exact draws*", Method::name)
}

fn walk_name(walk: Walk) -> &'static str {
    match walk {
        Walk::Flow => "flow",
        Walk::Ancestral => "ancestral",
        Walk::Own => "",
    }
}

fn prior_name(prior: Prior) -> &'static str {
    match prior {
        Prior::Gaussian => "One Gaussian (8×8, full covariance)",
        Prior::Plane => "Three Gaussians in the plane",
        Prior::Digits => "Ten Gaussians fitted to the digits (8×8)",
    }
}

fn task_name(task: Task) -> &'static str {
    match task {
        Task::Denoising => "denoising",
        Task::Inpainting => "inpainting",
        Task::Blur => "deblurring",
        Task::SuperResolution => "super-resolution ×2",
    }
}
