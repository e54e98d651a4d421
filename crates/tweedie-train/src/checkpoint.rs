//! A run on disk: a directory that is complete or not there.
//!
//! | file | content |
//! |---|---|
//! | `run.json` | steps done, settings, objective and the caller's description of the model |
//! | `model.bpk`, `average.bpk`, `optimizer.bpk` | parameters, their average, AdamW's moments |
//!
//! It is written beside its place and then moved there. A crash between the two moves leaves the one
//! before under the name `….old`, from where it is taken back.

use crate::lent::Lent;
use crate::trainer::optimizer;
use crate::{Ema, Objective, Settings, TrainError, Trainer};
use burn::module::{Module, ModuleDisplay};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tweedie_core::Preconditioned;
use tweedie_math::Schedule;

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file that could not be read or written.
    #[error("{}: {message}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A checkpoint of another run.
    #[error("{}: the checkpoint has {name} {found}, this run {expected}", path.display())]
    Mismatch {
        /// The checkpoint.
        path: PathBuf,
        /// What differs.
        name: String,
        /// This run's.
        expected: String,
        /// The checkpoint's.
        found: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Run {
    done: usize,
    settings: Value,
    objective: Value,
    model: Value,
}

impl<N: Module + ModuleDisplay, S: Schedule + Serialize + DeserializeOwned> Trainer<N, S> {
    /// Writes the run to `directory`, replacing a checkpoint that is there. `model` describes the
    /// network; resuming compares it.
    ///
    /// # Errors
    /// [`CheckpointError::File`] names what could not be written; what was there stays.
    pub fn save(
        &self,
        directory: impl AsRef<Path>,
        model: &impl Serialize,
    ) -> Result<(), CheckpointError> {
        let directory = directory.as_ref();
        let (partial, old) = (sibling(directory, "partial"), sibling(directory, "old"));
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |error: String| CheckpointError::File {
                path,
                message: error,
            }
        };
        take_back(directory).map_err(at(directory))?;
        remove(&partial).map_err(at(&partial))?;
        std::fs::create_dir_all(&partial).map_err(|e| at(&partial)(e.to_string()))?;
        let run = Run {
            done: self.done,
            settings: value(&self.settings),
            objective: value(&self.objective),
            model: value(model),
        };
        let text = format!("{:#}\n", value(&run));
        let run_path = partial.join(RUN);
        std::fs::write(&run_path, text).map_err(|e| at(&run_path)(e.to_string()))?;
        let path = partial.join(MODEL);
        self.model
            .clone()
            .save_file(&path)
            .map_err(|e| at(&path)(e.to_string()))?;
        let path = partial.join(AVERAGE);
        let average = self.average().clone();
        average
            .save_file(&path)
            .map_err(|e| at(&path)(e.to_string()))?;
        let path = partial.join(OPTIMIZER);
        self.optimizer
            .save(&path)
            .map_err(|e| at(&path)(e.to_string()))?;

        remove(&old).map_err(at(&old))?;
        if directory.exists() {
            std::fs::rename(directory, &old).map_err(|e| at(directory)(e.to_string()))?;
        }
        std::fs::rename(&partial, directory).map_err(|e| at(directory)(e.to_string()))?;
        remove(&old).map_err(at(&old))
    }

    /// Continues the run in `directory`. Everything has to be as it was, but for the number of
    /// steps; `fresh` gives the structure and its device, not the parameters.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for a directory that holds no checkpoint, or one of another run,
    /// naming the first difference; [`TrainError::Setting`] as [`new`](Self::new).
    pub fn resume(
        directory: impl AsRef<Path>,
        fresh: Preconditioned<N>,
        objective: Objective<S>,
        settings: Settings,
        model: &impl Serialize,
    ) -> Result<Self, TrainError> {
        let directory = directory.as_ref();
        let path = directory.join(RUN);
        if let Err(message) = take_back(directory) {
            return Err(CheckpointError::File { path, message }.into());
        }
        let file = |path: &Path, message: String| CheckpointError::File {
            path: path.to_path_buf(),
            message,
        };
        let text = std::fs::read_to_string(&path).map_err(|e| file(&path, e.to_string()))?;
        let run: Run = serde_json::from_str(&text).map_err(|e| file(&path, e.to_string()))?;
        let mut stored = run.settings;
        stored["steps"] = value(&settings.steps);
        for (name, expected, found) in [
            ("model", value(model), run.model),
            ("objective", value(&objective), run.objective),
            ("settings", value(&settings), stored),
        ] {
            if let Some((name, expected, found)) = difference(name.into(), &expected, &found) {
                let path = path.clone();
                return Err(CheckpointError::Mismatch {
                    path,
                    name,
                    expected,
                    found,
                }
                .into());
            }
        }
        let mut trainer = Self::new(fresh.clone(), objective, settings)?;
        let load = |name: &str, module: Preconditioned<N>| {
            let path = directory.join(name);
            let loaded = module.try_load_file(&path);
            loaded.map_err(|e| file(&path, e.to_string()))
        };
        trainer.model = Lent::new(load(MODEL, fresh.clone())?.train());
        let average = load(AVERAGE, fresh.valid())?;
        trainer.ema = Lent::new(Ema::from_average(average, settings.ema));
        let path = directory.join(OPTIMIZER);
        let loaded = optimizer(&settings).load(&path);
        trainer.optimizer = loaded.map_err(|e| file(&path, e.to_string()))?;
        trainer.done = run.done;
        Ok(trainer)
    }
}

/// Whether a run was saved to `directory`.
#[must_use]
pub fn has_checkpoint(directory: impl AsRef<Path>) -> bool {
    let directory = directory.as_ref();
    directory.exists() || sibling(directory, "old").exists()
}

/// Undoes the first of the two moves of a `save` that was cut off between them.
fn take_back(directory: &Path) -> Result<(), String> {
    let old = sibling(directory, "old");
    if directory.exists() || !old.exists() {
        return Ok(());
    }
    std::fs::rename(old, directory).map_err(|error| error.to_string())
}

const RUN: &str = "run.json";
const MODEL: &str = "model.bpk";
const AVERAGE: &str = "average.bpk";
const OPTIMIZER: &str = "optimizer.bpk";

/// JSON of a plain value; these have no map with other keys than strings, which alone could fail.
fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or(Value::Null)
}

fn sibling(directory: &Path, suffix: &str) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(suffix);
    directory.with_file_name(name)
}

fn remove(directory: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
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
