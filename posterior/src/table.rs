//! The table of the documentation.

use crate::{Method, Prior, Scores, Task, Walk};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// One method on one problem.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The prior.
    pub prior: Prior,
    /// What was measured.
    pub task: Task,
    /// The noise.
    pub sigma: f64,
    /// The method; none for exact draws.
    pub method: Option<Method>,
    /// How it moved.
    pub walk: Walk,
    /// How far off it is; none if a draw is not finite.
    pub scores: Option<Scores>,
    /// How often the denoiser was asked.
    pub evaluations: usize,
    /// How long it took.
    pub seconds: f64,
}

/// The rows as tables, one for each problem.
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
        let name = row.method.map_or("*exact draws*", Method::name);
        let walk = match row.walk {
            Walk::Flow => "flow",
            Walk::Ancestral => "ancestral",
            Walk::Own => "",
        };
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
