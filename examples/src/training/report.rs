//! The picture of a run: its loss over the steps and over the noise levels.

use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;
use tweedie::image::{Axis, Curve, Panel, chart};
use tweedie::train::Report;

/// The losses of the last steps, by log-SNR.
#[derive(Debug, Default)]
pub(super) struct Levels(VecDeque<(f64, f64)>);

impl Levels {
    /// Adds those of a step.
    pub(super) fn add(&mut self, report: &Report) {
        let pairs = report.log_snr.iter().zip(&report.losses);
        let finite = pairs.filter(|(_, loss)| loss.is_finite());
        self.0
            .extend(finite.map(|(&log_snr, &loss)| (log_snr, loss)));
        self.0.drain(..self.0.len().saturating_sub(RECENT));
    }
}

/// The number of examples whose losses are shown by log-SNR.
const RECENT: usize = 20_000;

/// Draws the loss over the steps and over the log-SNR.
///
/// # Errors
/// If the picture cannot be written.
pub(super) fn draw(
    path: &Path,
    losses: &[(usize, f64)],
    levels: &Levels,
) -> Result<(), Box<dyn Error>> {
    let Levels(levels) = levels;
    if levels.is_empty() {
        return Ok(());
    }
    let of_steps = losses.iter().map(|&(step, loss)| (step as f64, loss));
    let of_levels = levels.iter().copied().collect();
    let panels = [
        ("loss", "step", means(of_steps.collect(), 200)),
        ("loss of the last steps", "log-SNR", means(of_levels, 30)),
    ];
    let panels = panels.map(|(title, x, points)| Panel {
        title: title.into(),
        x: x.into(),
        x_axis: Axis::Linear,
        y_axis: Axis::Log,
        curves: vec![Curve {
            name: "mean of neighbours".into(),
            points,
        }],
    });
    Ok(chart(path, &panels)?)
}

/// The means of neighbours along x, at most `count` of them.
fn means(mut points: Vec<(f64, f64)>, count: usize) -> Vec<(f64, f64)> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let size = points.len().div_ceil(count).max(1);
    let mean = |part: &[(f64, f64)]| {
        let sum = part
            .iter()
            .fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
        let length = part.len() as f64;
        (sum.0 / length, sum.1 / length)
    };
    points.chunks(size).map(mean).collect()
}
