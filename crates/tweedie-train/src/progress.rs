//! A progress line in the terminal.

use crate::Report;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// A progress bar with the loss, examples per second and the time left.
///
/// The bar is hidden when the output is not a terminal.
#[derive(Clone, Debug)]
pub struct ProgressLine {
    bar: ProgressBar,
    smoothed: Option<f64>,
    began: Instant,
    waited: Duration,
    is_silent: bool,
}

impl ProgressLine {
    /// A bar that shows and says nothing, for all processes of a group but one.
    #[must_use]
    pub fn hidden() -> Self {
        Self {
            is_silent: true,
            ..Self::of(ProgressBar::hidden())
        }
    }

    fn of(bar: ProgressBar) -> Self {
        Self {
            bar,
            smoothed: None,
            began: Instant::now(),
            waited: Duration::ZERO,
            is_silent: false,
        }
    }

    /// Creates the bar for a run of `steps`, of which `done` are finished.
    #[must_use]
    pub fn new(steps: usize, done: usize) -> Self {
        let bar = ProgressBar::new(steps as u64).with_position(done as u64);
        let template = "{wide_bar} {pos}/{len}  {msg}  {eta_precise} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.reset_eta();
        Self::of(bar)
    }

    /// Updates the bar after a step.
    pub fn show(&mut self, report: &Report) {
        self.bar.set_position(report.step as u64);
        self.waited += report.waited;
        if let Some(examples) = &report.skipped {
            let (loss, norm) = (report.loss, report.gradient_norm);
            let shown = &examples[..examples.len().min(8)];
            let more = match examples.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            self.say(format!(
                "step {}: skipped, loss {loss}, gradient norm {norm}; examples {shown:?}{more}",
                report.step
            ));
            return;
        }
        let before = self.smoothed.unwrap_or(report.loss);
        let smoothed = 0.98 * before + 0.02 * report.loss;
        self.smoothed = Some(smoothed);
        let pace = self.bar.per_sec() * report.batch as f64;
        // The share is shown from 1 % on.
        let waited = match self.waited_share() {
            share if share >= 0.01 => format!("  {:.0} % waiting for data", 100.0 * share),
            _ => String::new(),
        };
        self.bar
            .set_message(format!("loss {smoothed:.4}  {pace:.0} images/s{waited}"));
    }

    /// The part of the time in which steps have waited for examples, from 0 to 1.
    #[must_use]
    pub fn waited_share(&self) -> f64 {
        let all = self.began.elapsed().as_secs_f64();
        self.waited.as_secs_f64() / all.max(f64::MIN_POSITIVE)
    }

    /// The exponential average of the loss over about fifty steps.
    #[must_use]
    pub fn smoothed_loss(&self) -> Option<f64> {
        self.smoothed
    }

    /// Prints a line above the bar.
    pub fn say(&self, line: impl AsRef<str>) {
        if self.is_silent {
            return;
        }
        if self.bar.is_hidden() {
            use std::io::Write;
            // A closed output is no reason to end a run.
            let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
        } else {
            self.bar.println(line);
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
