//! A line on the terminal: step, loss, pace, time left.

use crate::Report;
use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar with loss, examples per second and the time left. Silent when the output is not
/// a terminal.
#[derive(Clone, Debug)]
pub struct ProgressLine {
    bar: ProgressBar,
    smoothed: Option<f64>,
}

impl ProgressLine {
    /// For a run of `steps`, of which `done` are behind.
    #[must_use]
    pub fn new(steps: usize, done: usize) -> Self {
        let bar = ProgressBar::new(steps as u64).with_position(done as u64);
        let template = "{wide_bar} {pos}/{len}  {msg}  {eta_precise} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.reset_eta();
        Self {
            bar,
            smoothed: None,
        }
    }

    /// Shows a step.
    pub fn show(&mut self, report: &Report) {
        let before = self.smoothed.unwrap_or(report.loss);
        let smoothed = 0.98 * before + 0.02 * report.loss;
        self.smoothed = Some(smoothed);
        let pace = self.bar.per_sec() * report.batch as f64;
        self.bar.set_position(report.step as u64);
        self.bar
            .set_message(format!("loss {smoothed:.4}  {pace:.0} images/s"));
    }

    /// The loss, averaged over the last fifty steps or so.
    #[must_use]
    pub fn smoothed_loss(&self) -> Option<f64> {
        self.smoothed
    }

    /// Prints a line above the bar.
    pub fn say(&self, line: impl AsRef<str>) {
        if self.bar.is_hidden() {
            use std::io::Write;
            // Nothing can be done about a closed output, and a run should not end for it.
            let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
        } else {
            self.bar.println(line);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
