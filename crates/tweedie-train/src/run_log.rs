//! A log of a run: one line of JSON for each step.

use crate::Report;
use crate::run_folder::{RunError, file};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tweedie_core::{read_text, replace_file};

/// A file with a line `{"step": 1, "loss": …, "gradient_norm": …, "learning_rate": …}` for each
/// step, and lines with other values that a program adds.
///
/// ```
/// use tweedie_train::RunLog;
///
/// let folder = tempfile::tempdir()?;
/// let mut log = RunLog::open(folder.path().join("log.jsonl"), 0)?;
/// log.add(10, &[("held_out", 0.25)])?;
/// drop(log);
/// // A run that goes back to step 5 forgets what came after.
/// RunLog::open(folder.path().join("log.jsonl"), 5)?;
/// assert_eq!(std::fs::read(folder.path().join("log.jsonl"))?, b"");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    file: File,
    losses: Vec<(usize, f64)>,
}

/// The maximum size of a log in bytes.
const MOST_BYTES: u64 = 1 << 32;

impl RunLog {
    /// Opens or creates a log for a run with `done` steps, and removes the lines of later steps and
    /// a last line that was cut off.
    ///
    /// # Errors
    /// [`RunError::File`] if the file cannot be read or written, or is no such log.
    pub fn open(path: impl AsRef<Path>, done: usize) -> Result<Self, RunError> {
        let path = path.as_ref().to_path_buf();
        let text = match read_text(&path, MOST_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(file(&path)(error)),
        };
        let (mut kept, mut losses) = (String::new(), Vec::new());
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let value: Value = serde_json::from_str(line).map_err(file(&path))?;
            let Some(step) = value["step"].as_u64() else {
                return Err(file(&path)("a line without a step"));
            };
            if step <= done as u64 {
                kept.push_str(line);
                losses.extend(value["loss"].as_f64().map(|loss| (step as usize, loss)));
            }
        }
        replace_file(&path, kept.as_bytes()).map_err(file(&path))?;
        let opened = OpenOptions::new().append(true).open(&path);
        let file = opened.map_err(file(&path))?;
        Ok(Self { path, file, losses })
    }

    /// The losses of the steps so far, without those that are not finite.
    #[must_use]
    pub fn losses(&self) -> &[(usize, f64)] {
        &self.losses
    }

    /// Writes the line of a step.
    ///
    /// # Errors
    /// [`RunError::File`] if the file cannot be written.
    pub fn step(&mut self, report: &Report) -> Result<(), RunError> {
        let mut line = json!({
            "step": report.step,
            "loss": report.loss,
            "gradient_norm": report.gradient_norm,
            "learning_rate": report.learning_rate,
        });
        if report.loss_scale > 1.0 {
            line["loss_scale"] = json!(report.loss_scale);
        }
        if let Some(skipped) = &report.skipped {
            line["skipped"] = json!(skipped);
        }
        let loss = Some((report.step, report.loss)).filter(|(_, loss)| loss.is_finite());
        self.losses.extend(loss);
        self.write(&line)
    }

    /// Writes a line with named values of a step.
    ///
    /// # Errors
    /// [`RunError::File`] if the file cannot be written.
    pub fn add(&mut self, step: usize, values: &[(&str, f64)]) -> Result<(), RunError> {
        let mut line = json!({ "step": step });
        for (name, value) in values {
            line[*name] = json!(value);
        }
        self.write(&line)
    }

    fn write(&mut self, line: &Value) -> Result<(), RunError> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(file(&self.path))
    }
}
