//! The folder of a run: one folder for each checkpoint, and the name of the latest.
//!
//! | path | content |
//! |---|---|
//! | `latest` | the name of the latest checkpoint |
//! | `best` | the name of the best checkpoint and its score, if the run has scored any |
//! | `step-000300/run.json` | steps done, settings, objective, number of examples, model |
//! | `step-000300/model.bpk`, `average.bpk` | the parameters and their average |
//! | `step-000300/average-1.bpk`, … | further averages |
//! | `step-000300/first.bpk`, `second.bpk` | AdamW's moments |
//! | `step-000300/SHA256SUMS` | the hash of every other file, for `sha256sum --check` |
//!
//! A save writes and syncs a checkpoint under a temporary name, renames it, replaces `latest`, and
//! then removes checkpoints that are no longer kept. An interruption at any point leaves the old or
//! the new run complete. A save rejects a folder that holds files but no run. It removes only
//! checkpoints, of which it removes the files above, and temporary files of interrupted saves.

use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use tweedie_core::{open_file, read_text, replace_file, sync_folder};

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file that could not be read or written.
    #[error("{}: {message}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        message: String,
    },
    /// A file differs from the one that was saved.
    #[error("{}: the file was changed after it was saved", path.display())]
    Changed {
        /// The path of the file.
        path: PathBuf,
    },
    /// The folder holds files but no run. Nothing was written.
    #[error("{}: the folder holds files that do not belong to a run of tweedie; nothing was written", path.display())]
    Foreign {
        /// The path of the folder.
        path: PathBuf,
    },
    /// The checkpoint belongs to another run.
    #[error("{}: the checkpoint has {name} {found}, this run {expected}", path.display())]
    Mismatch {
        /// The path of the checkpoint.
        path: PathBuf,
        /// The name of the value that differs.
        name: String,
        /// The value of this run.
        expected: String,
        /// The value in the checkpoint.
        found: String,
    },
}

pub(crate) const RUN: &str = "run.json";
pub(crate) const LATEST: &str = "latest";
const SUMS: &str = "SHA256SUMS";

pub(crate) const BEST: &str = "best";

/// The names of a checkpoint's tensor files: parameters, AdamW's moments, averages.
pub(crate) fn tensor_files(averages: usize) -> Vec<String> {
    let average = |i| match i {
        0 => "average.bpk".to_owned(),
        i => format!("average-{i}.bpk"),
    };
    let fixed = ["model.bpk", "first.bpk", "second.bpk"].map(String::from);
    fixed
        .into_iter()
        .chain((0..averages).map(average))
        .collect()
}

/// The number of averages in a checkpoint.
fn averages(folder: &Path) -> usize {
    let exists = |count: &usize| {
        let names = tensor_files(*count);
        names.last().is_some_and(|name| folder.join(name).is_file())
    };
    (1..).take_while(exists).count()
}

/// The maximum size of a text file in bytes.
pub(crate) const MOST_BYTES: u64 = 1 << 24;

/// The folder of a run, whose checkpoints it writes, finds and removes.
pub(crate) struct RunFolder<'a>(pub(crate) &'a Path);

impl RunFolder<'_> {
    /// Writes a checkpoint: `fill` writes the tensors into the folder that it gets. Keeps the last
    /// `keep` checkpoints.
    pub(crate) fn write(
        &self,
        done: usize,
        run: &str,
        keep: usize,
        fill: impl FnOnce(&Path) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        self.check_ours()?;
        std::fs::create_dir_all(self.0).map_err(file(self.0))?;
        let partial = self.0.join(format!(".step-{done:06}.partial"));
        remove(&partial).map_err(file(&partial))?;
        std::fs::create_dir(&partial).map_err(file(&partial))?;
        let write = || -> Result<(), RunError> {
            fill(&partial)?;
            let path = partial.join(RUN);
            replace_file(&path, run.as_bytes()).map_err(file(&path))?;
            for name in tensor_files(averages(&partial)) {
                let path = partial.join(name);
                let synced = open_file(&path).and_then(|file| file.sync_all());
                synced.map_err(file(&path))?;
            }
            write_checksums(&partial)?;
            sync_folder(&partial).map_err(file(&partial))
        };
        let name = self.free_name(done);
        let renamed = write().and_then(|()| {
            let place = self.0.join(&name);
            std::fs::rename(&partial, &place).map_err(file(&place))?;
            sync_folder(self.0).map_err(file(self.0))?;
            let path = self.0.join(LATEST);
            replace_file(&path, format!("{name}\n").as_bytes()).map_err(file(&path))
        });
        if renamed.is_err() {
            // The first error is the one to report.
            let _ = remove(&partial);
        }
        renamed?;
        self.prune(&name, keep)
    }

    /// The folder of the latest checkpoint, or this folder if it is one, after a check of the
    /// hashes.
    pub(crate) fn latest(&self) -> Result<PathBuf, RunError> {
        if self.0.join(RUN).is_file() {
            check_checksums(self.0)?;
            return Ok(self.0.into());
        }
        let path = self.0.join(LATEST);
        let name = read_text(&path, MOST_BYTES).map_err(|error| match error.kind() {
            ErrorKind::NotFound => file(&path)("the folder holds no checkpoint"),
            _ => file(&path)(error),
        })?;
        let name = name.trim_end();
        if step_of(name).is_none() {
            return Err(file(&path)("not the name of a checkpoint"));
        }
        let place = self.0.join(name);
        check_checksums(&place)?;
        Ok(place)
    }

    /// Checks that the folder holds a run, or nothing.
    fn check_ours(&self) -> Result<(), RunError> {
        let entries = match std::fs::read_dir(self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(file(self.0)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(file(self.0))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        // An interrupted first save leaves temporary files and a checkpoint without `latest`.
        let ours = |name: &String| name.ends_with(".partial") || step_of(name).is_some();
        let is_run = names.iter().any(|name| name == LATEST) && self.latest_name().is_some();
        match is_run || names.iter().all(ours) {
            true => Ok(()),
            false => Err(RunError::Foreign {
                path: self.0.into(),
            }),
        }
    }

    pub(crate) fn latest_name(&self) -> Option<String> {
        let text = read_text(self.0.join(LATEST), MOST_BYTES).ok()?;
        let name = text.trim_end();
        step_of(name).map(|_| name.into())
    }

    /// A name for the checkpoint of a step that no checkpoint has.
    fn free_name(&self, done: usize) -> String {
        let name = format!("step-{done:06}");
        let others = (1..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.clone()).chain(others);
        let free = names.find(|name| !self.0.join(name).exists());
        free.unwrap_or(name)
    }

    /// Removes all checkpoints but `latest` and the `keep − 1` before it, and what interrupted
    /// saves have left.
    fn prune(&self, latest: &str, keep: usize) -> Result<(), RunError> {
        let (mut found, mut cut_off) = (Vec::new(), Vec::new());
        let mut best = self.best().map(|(name, _)| name);
        if best.as_deref().and_then(step_of) > step_of(latest) {
            // The run went back, or another run began here.
            let path = self.0.join(BEST);
            std::fs::remove_file(&path).map_err(file(&path))?;
            best = None;
        }
        for entry in std::fs::read_dir(self.0).map_err(file(self.0))? {
            let name = entry.map_err(file(self.0))?.file_name();
            let name = name.to_string_lossy().into_owned();
            let is_checkpoint = self.0.join(&name).join(RUN).is_file();
            match step_of(&name).filter(|_| is_checkpoint) {
                _ if name == latest || Some(&name) == best.as_ref() => {}
                Some(place) => found.push((place, name)),
                None if name.starts_with(".step-") && name.ends_with(".partial") => {
                    cut_off.push(name);
                }
                // A `latest` that was not renamed.
                None if name.starts_with(".tweedie-") && name.ends_with(".partial") => {
                    let path = self.0.join(name);
                    std::fs::remove_file(&path).map_err(file(&path))?;
                }
                None => {}
            }
        }
        // A run that went back to an earlier checkpoint has later ones, which are removed first.
        let last = step_of(latest).unwrap_or_default();
        found.sort_by_key(|&(place, _)| (place > last, std::cmp::Reverse(place)));
        let kept = found.iter().take_while(|(place, _)| *place <= last);
        let kept = kept.count().min(keep - 1);
        let old = found.split_off(kept).into_iter().map(|(_, name)| name);
        for name in old.chain(cut_off) {
            let path = self.0.join(name);
            remove(&path).map_err(file(&path))?;
        }
        Ok(())
    }
}

/// The step in the name of a checkpoint, and its number among those of the step.
pub(crate) fn step_of(name: &str) -> Option<(usize, usize)> {
    let rest = name.strip_prefix("step-")?;
    let (step, number) = rest.split_once('-').unwrap_or((rest, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| digits(number));
    let step = step.parse().ok().filter(|_| digits(step));
    step.zip(number)
}

/// Removes a checkpoint: its own files, and the folder unless it holds others.
fn remove(folder: &Path) -> io::Result<()> {
    let absent = |result: io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    };
    if let Ok(entries) = std::fs::read_dir(folder) {
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            // burn writes `model.bpk.<process>-<number>.tmp` before it renames.
            let of_burn = name.ends_with(".tmp") && name.contains(".bpk.");
            let average = name.starts_with("average") && name.ends_with(".bpk");
            if of_burn || average || name.ends_with(".partial") {
                absent(std::fs::remove_file(path))?;
            }
        }
    }
    // While `run.json` is there, the next save finds what is left after a kill.
    for name in tensor_files(0)
        .iter()
        .map(String::as_str)
        .chain([SUMS, RUN])
    {
        absent(std::fs::remove_file(folder.join(name)))?;
    }
    match absent(std::fs::remove_dir(folder)) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
        result => result,
    }
}

/// Checks that a run can be saved in `directory`: that it holds a run, or nothing.
///
/// # Errors
/// [`RunError::Foreign`] for a folder with other files, [`RunError::File`] if it cannot be read or
/// written.
pub fn check_run_folder(directory: impl AsRef<Path>) -> Result<(), RunError> {
    let directory = directory.as_ref();
    RunFolder(directory).check_ours()?;
    // The nearest folder that exists has to be writable.
    let existing = directory.ancestors().find(|folder| folder.exists());
    let existing = match existing {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let trial = existing.join(".tweedie-trial.partial");
    std::fs::write(&trial, b"").map_err(file(directory))?;
    std::fs::remove_file(&trial).map_err(file(directory))
}

/// Returns whether `directory` holds a saved run.
#[must_use]
pub fn has_checkpoint(directory: impl AsRef<Path>) -> bool {
    directory.as_ref().join(LATEST).exists()
}

/// Writes the hashes of a checkpoint's files, for instance after `run.json` was changed by hand.
///
/// # Errors
/// [`RunError::File`] if a file cannot be read or written.
pub fn write_checksums(checkpoint: impl AsRef<Path>) -> Result<(), RunError> {
    let folder = checkpoint.as_ref();
    let mut text = String::new();
    for name in hashed(averages(folder)) {
        let path = folder.join(&name);
        let hash = hash(&path).map_err(file(&path))?;
        let _ = writeln!(text, "{hash}  {name}");
    }
    let path = folder.join(SUMS);
    replace_file(&path, text.as_bytes()).map_err(file(&path))
}

fn check_checksums(folder: &Path) -> Result<(), RunError> {
    let path = folder.join(SUMS);
    let sums = read_text(&path, MOST_BYTES).map_err(file(&path))?;
    let fixed = hashed(0).len();
    let averages = sums.lines().count().saturating_sub(fixed).max(1);
    let mut lines = sums.lines();
    for name in hashed(averages) {
        let expected = lines.next().and_then(|line| line.split_once("  "));
        let Some((expected, _)) =
            expected.filter(|(hash, named)| **named == name && hash.len() == 64)
        else {
            return Err(RunError::Changed { path });
        };
        let path = folder.join(name);
        if hash(&path).map_err(file(&path))? != expected {
            return Err(RunError::Changed { path });
        }
    }
    Ok(())
}

/// The names of a checkpoint's files that have a hash.
fn hashed(averages: usize) -> Vec<String> {
    let mut names = vec![RUN.to_owned()];
    names.extend(tensor_files(averages));
    names
}

fn hash(path: &Path) -> io::Result<String> {
    let (mut hasher, mut file) = (Sha256::new(), open_file(path)?);
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => break,
            count => hasher.update(&block[..count]),
        }
    }
    let mut text = String::new();
    for byte in hasher.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Converts an error to [`RunError::File`].
pub(crate) fn file<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> RunError {
    let path = path.to_path_buf();
    move |error| RunError::File {
        path: path.clone(),
        message: error.to_string(),
    }
}
