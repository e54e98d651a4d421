//! The best checkpoint of a run.

use crate::RunError;
use crate::run_folder::{BEST, LATEST, MOST_BYTES, RUN, RunFolder, file, step_of};
use std::path::{Path, PathBuf};
use tweedie_core::{read_text, replace_file};

/// Records the score of the latest checkpoint of the run in `directory`, such as its loss on
/// held-out examples. Returns whether it is the lowest so far, which NaN never is. The checkpoint
/// with the lowest score is kept in addition to [`TrainSettings::keep`](crate::TrainSettings::keep)
/// others.
///
/// # Errors
/// [`RunError::File`] if there is no checkpoint, or a file cannot be written.
pub fn record_score(directory: impl AsRef<Path>, score: f64) -> Result<bool, RunError> {
    let folder = RunFolder(directory.as_ref());
    let latest = folder.latest_name().ok_or_else(|| {
        let path = folder.0.join(LATEST);
        file(&path)("the folder holds no checkpoint")
    })?;
    let is_best = !score.is_nan() && folder.best().is_none_or(|(_, best)| score < best);
    if is_best {
        let path = folder.0.join(BEST);
        let text = format!("{latest} {score}\n");
        replace_file(&path, text.as_bytes()).map_err(file(&path))?;
    }
    Ok(is_best)
}

/// The checkpoint with the lowest score of the run in `directory`, and this score.
#[must_use]
pub fn best_checkpoint(directory: impl AsRef<Path>) -> Option<(PathBuf, f64)> {
    let directory = directory.as_ref();
    let (name, score) = RunFolder(directory).best()?;
    Some((directory.join(name), score))
}

impl RunFolder<'_> {
    /// The name and the score of the best checkpoint.
    pub(crate) fn best(&self) -> Option<(String, f64)> {
        let text = read_text(self.0.join(BEST), MOST_BYTES).ok()?;
        let (name, score) = text.trim_end().split_once(' ')?;
        let score = score.parse().ok()?;
        (step_of(name).is_some() && self.0.join(name).join(RUN).is_file())
            .then(|| (name.into(), score))
    }
}
