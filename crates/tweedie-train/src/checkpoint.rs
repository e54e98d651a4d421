//! A run on disk: a folder in which `run.json` names the other files of the run.
//!
//! | file | content |
//! |---|---|
//! | `run.json` | steps done, settings, objective, number of examples, description of the model |
//! | `model-G.bpk`, `average-G.bpk` | the parameters and their average |
//! | `first-G.bpk`, `second-G.bpk` | AdamW's moments |
//!
//! `G` is 0 or 1. A save writes the tensors under the unused number, replaces `run.json`, and then
//! removes the old tensors. An interruption at any point leaves the old or the new run complete. A
//! save touches no other file, and rejects a folder that holds files but no run.

use crate::adamw::AdamW;
use crate::in_place::InPlace;
use crate::trainer::trained;
use crate::{Ema, Objective, Shuffle, TrainError, TrainSettings, Trainer};
use burn::module::{Module, ModuleDisplay, list_param_ids};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tweedie_core::{Preconditioned, open_file, read_text, replace_file, sync_folder};
use tweedie_math::Schedule;

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

/// Marks a `run.json` as one of this format.
const FORMAT: &str = "tweedie-run-1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRun {
    format: String,
    /// The `G` of the files that hold the tensors.
    generation: u8,
    done: usize,
    /// The number of skipped steps, in all and at the end.
    #[serde(default)]
    skipped: [usize; 2],
    /// The number of examples; `None` before the first step.
    examples: Option<usize>,
    settings: Value,
    objective: Value,
    model: Value,
}

impl<N: Module + ModuleDisplay, S: Schedule + Serialize + DeserializeOwned> Trainer<N, S> {
    /// Writes the run to the folder `directory`, replacing a run saved there.
    ///
    /// `model` describes the network; [`resume`](Self::resume) compares it.
    ///
    /// # Errors
    /// [`RunError::Foreign`] for a folder with other files, [`RunError::File`] if a file cannot be
    /// written or removed. The folder then still holds the old or the new run, complete.
    pub fn save(
        &self,
        directory: impl AsRef<Path>,
        model: &impl Serialize,
    ) -> Result<(), RunError> {
        let directory = directory.as_ref();
        let path = directory.join(RUN);
        let mut run = StoredRun {
            format: FORMAT.into(),
            generation: 0,
            done: self.done,
            skipped: self.skipped,
            examples: self.order.as_ref().map(|(examples, _)| *examples),
            settings: value(&path, &self.settings)?,
            objective: value(&path, &self.objective)?,
            model: value(&path, model)?,
        };
        let before = existing(directory)?;
        run.generation = before.as_ref().map_or(0, |run| 1 - run.generation.min(1));
        std::fs::create_dir_all(directory).map_err(file(directory))?;

        let [first, second] = self.optimizer.modules(&*self.model);
        let average = self.average().clone();
        let modules = [self.model.valid(), average, first, second];
        for (name, module) in TENSORS.into_iter().zip(modules) {
            let path = directory.join(tensors(name, run.generation));
            module.save_file(&path).map_err(file(&path))?;
            let written = open_file(&path).and_then(|file| file.sync_all());
            written.map_err(file(&path))?;
        }
        sync_folder(directory).map_err(file(directory))?;
        let text = format!("{:#}\n", value(&path, &run)?);
        replace_file(&path, text.as_bytes()).map_err(file(&path))?;
        let Some(before) = before else {
            return Ok(());
        };
        for name in TENSORS {
            let path = directory.join(tensors(name, before.generation));
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(file(&path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Continues the run in `directory`.
    ///
    /// `model`, `objective` and `settings` must equal the saved ones, except for the number of
    /// steps. `fresh` provides the structure and the device; its parameters are replaced.
    ///
    /// # Errors
    /// [`TrainError::Run`] if the directory holds no checkpoint, or that of another run; the error
    /// names the first difference. Otherwise as [`new`](Self::new).
    pub fn resume(
        directory: impl AsRef<Path>,
        fresh: Preconditioned<N>,
        objective: Objective<S>,
        settings: TrainSettings,
        model: &impl Serialize,
    ) -> Result<Self, TrainError> {
        let directory = directory.as_ref();
        let path = directory.join(RUN);
        let run = read(&path)?;
        let mut stored = run.settings;
        if let Value::Object(settings_of_file) = &mut stored {
            settings_of_file.insert("steps".into(), settings.steps.into());
        }
        for (name, expected, found) in [
            ("model", value(&path, model)?, run.model),
            ("objective", value(&path, &objective)?, run.objective),
            ("settings", value(&path, &settings)?, stored),
        ] {
            if let Some((name, expected, found)) = difference(name.into(), &expected, &found) {
                return Err(mismatch(&path, name, expected, found).into());
            }
        }
        let mut trainer = Self::new(fresh.clone(), objective, settings)?;
        let load = |name: &str| -> Result<Preconditioned<N>, RunError> {
            let path = directory.join(tensors(name, run.generation));
            open_file(&path).map_err(file(&path))?;
            fresh.valid().try_load_file(&path).map_err(file(&path))
        };
        let [model, average, first, second] = TENSORS;
        let [model, average, first, second] =
            [load(model)?, load(average)?, load(first)?, load(second)?];
        let expected = list_param_ids(&model);
        let others = [&average, &first, &second].into_iter().zip(&TENSORS[1..]);
        for (module, name) in others {
            if list_param_ids(module) != expected {
                let path = directory.join(tensors(name, run.generation));
                let (expected, found) = ("those of the model".into(), "of another network".into());
                return Err(mismatch(&path, "parameters".into(), expected, found).into());
            }
        }
        trainer.model = InPlace::new(trained(model, &settings));
        trainer.ema = InPlace::new(Ema::from_average(average, settings.ema));
        trainer.optimizer = AdamW::of_modules(settings.adamw, [first, second]);
        trainer.done = run.done;
        trainer.skipped = run.skipped;
        let order = |examples| (examples, Shuffle::new(examples, settings.seed));
        trainer.order = run.examples.map(order);
        Ok(trainer)
    }
}

/// Returns whether `directory` holds a saved run.
#[must_use]
pub fn has_checkpoint(directory: impl AsRef<Path>) -> bool {
    directory.as_ref().join(RUN).exists()
}

/// The run in a folder; `None` if the folder is empty or does not exist.
fn existing(directory: &Path) -> Result<Option<StoredRun>, RunError> {
    let path = directory.join(RUN);
    let foreign = |_| RunError::Foreign {
        path: directory.into(),
    };
    if path.exists() {
        return read(&path).map(Some).map_err(foreign);
    }
    match std::fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            // An interrupted first save counts as an empty folder.
            None => Ok(None),
            Some(_) if is_cut_off(directory) => Ok(None),
            Some(_) => Err(RunError::Foreign {
                path: directory.into(),
            }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file(directory)(error)),
    }
}

/// Whether a folder holds only files of a first save, which writes `run.json` last.
fn is_cut_off(directory: &Path) -> bool {
    let ours = |name: &std::ffi::OsStr| {
        let is_partial = name.to_string_lossy().ends_with(".partial");
        is_partial || TENSORS.iter().any(|kind| name == tensors(kind, 0).as_str())
    };
    let Ok(entries) = std::fs::read_dir(directory) else {
        return false;
    };
    let mut names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    names.all(|name| name.is_ok_and(|name| ours(&name)))
}

fn read(path: &Path) -> Result<StoredRun, RunError> {
    let text = read_text(path, MOST_BYTES).map_err(file(path))?;
    let run: StoredRun = serde_json::from_str(&text).map_err(file(path))?;
    let [skipped, at_the_end] = run.skipped;
    let counts = at_the_end <= skipped && skipped <= run.done && run.examples != Some(0);
    match run.format == FORMAT && run.generation < 2 && counts {
        true => Ok(run),
        false => Err(file(path)(format!("not a run of the format {FORMAT}"))),
    }
}

/// The maximum size of `run.json` in bytes.
const MOST_BYTES: u64 = 1 << 24;

const RUN: &str = "run.json";

/// The kinds of tensor files.
const TENSORS: [&str; 4] = ["model", "average", "first", "second"];

fn tensors(name: &str, generation: u8) -> String {
    format!("{name}-{generation}.bpk")
}

/// Converts an error to [`RunError::File`].
fn file<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> RunError {
    let path = path.to_path_buf();
    move |error| RunError::File {
        path: path.clone(),
        message: error.to_string(),
    }
}

fn mismatch(path: &Path, name: String, expected: String, found: String) -> RunError {
    RunError::Mismatch {
        path: path.into(),
        name,
        expected,
        found,
    }
}

/// Converts a value to JSON. Its numbers must be finite, because JSON would store others as null.
fn value(path: &Path, of: &impl Serialize) -> Result<Value, RunError> {
    serde_json::to_value(of).map_err(file(path))
}

/// The path and the two values of the first difference between two JSON documents.
fn difference(name: String, expected: &Value, found: &Value) -> Option<(String, String, String)> {
    if expected == found {
        return None;
    }
    if let (Value::Object(a), Value::Object(b)) = (expected, found) {
        let missing = Value::Null;
        return a.keys().chain(b.keys()).find_map(|key| {
            let (a, b) = (
                a.get(key).unwrap_or(&missing),
                b.get(key).unwrap_or(&missing),
            );
            difference(format!("{name}.{key}"), a, b)
        });
    }
    Some((name, expected.to_string(), found.to_string()))
}
