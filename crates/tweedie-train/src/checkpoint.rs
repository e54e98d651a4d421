//! Saving and resuming a run. [`run_folder`](crate::run_folder) lists the files.

use crate::adamw::AdamW;
use crate::in_place::InPlace;
use crate::mixed_precision::LossScale;
use crate::run_folder::{MOST_BYTES, RUN, RunFolder, file, tensor_files};
use crate::trainer::trained;
use crate::{Ema, Objective, RunError, Shuffle, TrainError, TrainSettings, Trainer};
use burn::module::{Module, list_param_ids};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use tweedie_core::{open_file, read_text};

/// Marks a `run.json` as one of this format.
const FORMAT: &str = "tweedie-run-2";

/// The version of burn that this library is built with.
const BURN: &str = "0.22.1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRun {
    format: String,
    /// The version of this library that wrote the run.
    version: String,
    /// The version of burn that wrote the tensors.
    #[serde(default)]
    burn: String,
    done: usize,
    /// The number of examples used.
    used: u64,
    /// The number of skipped steps, in all and at the end.
    skipped: [usize; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss_scale: Option<LossScale>,
    /// The number of examples; `None` before the first step.
    examples: Option<usize>,
    settings: TrainSettings,
    /// Settings that a resumption has replaced, each with the step until which they held.
    earlier: Vec<(usize, TrainSettings)>,
    objective: Value,
    /// What the objective has learned from the steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    memory: Vec<f64>,
    model: Value,
}

impl<M: Module, O: Objective<M> + Serialize> Trainer<M, O> {
    /// Writes the run to the folder `directory`, as its latest checkpoint. The folder keeps the
    /// last [`TrainSettings::keep`] checkpoints. Checkpoints of later steps, of a run that went on
    /// further or of another run in this folder, are removed.
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
        let run = StoredRun {
            format: FORMAT.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            burn: BURN.into(),
            done: self.done,
            used: self.used,
            skipped: self.skipped,
            loss_scale: self.settings.mixed_precision.dtype().map(|_| self.scale),
            examples: self.order.as_ref().map(|(examples, _)| *examples),
            settings: self.settings.clone(),
            earlier: self.earlier.clone(),
            objective: value(&path, &self.objective)?,
            memory: self.objective.memory(),
            model: value(&path, model)?,
        };
        let text = format!("{:#}\n", value(&path, &run)?);
        let keep = self.settings.keep;
        RunFolder(directory).write(self.done, &text, keep, |folder| {
            let [first, second] = self.optimizer.modules(&*self.model);
            let mut modules = vec![self.model.valid(), first, second];
            modules.extend(self.averages.iter().map(|ema| ema.average().clone()));
            let names = tensor_files(self.averages.len());
            for (name, module) in names.into_iter().zip(modules) {
                let path = folder.join(name);
                module.save_file(&path).map_err(file(&path))?;
            }
            Ok(())
        })
    }

    /// Continues the run in `directory` from its latest checkpoint, or from the checkpoint that
    /// `directory` is.
    ///
    /// `model`, `objective`, the seed and the number of averages must equal the saved ones. Other
    /// settings may differ; the run records the change. `fresh` provides the structure and the
    /// device; its parameters are replaced.
    ///
    /// # Errors
    /// [`TrainError::Run`] if the directory holds no checkpoint, that of another run (the error
    /// names the first difference), or one with a changed file. Otherwise as [`new`](Self::new).
    pub fn resume(
        directory: impl AsRef<Path>,
        fresh: M,
        objective: O,
        settings: TrainSettings,
        model: &impl Serialize,
    ) -> Result<Self, TrainError> {
        let directory = RunFolder(directory.as_ref()).latest()?;
        let path = directory.join(RUN);
        let run = read(&path)?;
        for (name, expected, found) in [
            ("model", value(&path, model)?, run.model),
            ("objective", value(&path, &objective)?, run.objective),
            (
                "settings.seed",
                settings.seed.into(),
                run.settings.seed.into(),
            ),
        ] {
            if let Some((name, expected, found)) = difference(name.into(), &expected, &found) {
                return Err(mismatch(&path, name, expected, found).into());
            }
        }
        let (expected, found) = (settings.ema.len(), run.settings.ema.len());
        if expected != found {
            let name = "settings.ema".to_owned();
            let [expected, found] = [expected, found].map(|count| format!("{count} averages"));
            return Err(mismatch(&path, name, expected, found).into());
        }
        let mut trainer = Self::new(fresh.clone(), objective, settings.clone())?;
        let names = tensor_files(settings.ema.len());
        let mut modules = Vec::new();
        for name in &names {
            let path = directory.join(name);
            open_file(&path).map_err(file(&path))?;
            let module: M = fresh.valid().try_load_file(&path).map_err(file(&path))?;
            let same = modules.first().map(list_param_ids);
            if same.is_some_and(|ids| ids != list_param_ids(&module)) {
                let (expected, found) = ("those of the model".into(), "of another network".into());
                return Err(mismatch(&path, "parameters".into(), expected, found).into());
            }
            modules.push(module);
        }
        let averages = modules.split_off(3).into_iter().zip(&settings.ema);
        let averages = averages.map(|(average, &decay)| Ema::from_average(average, decay));
        trainer.averages = InPlace::new(averages.collect());
        if let Ok([model, first, second]) = <[M; 3]>::try_from(modules) {
            trainer.model = InPlace::new(trained(model, &settings));
            trainer.optimizer = AdamW::of_modules(settings.adamw, [first, second]);
        }
        if !trainer.objective.recall(&run.memory) {
            return Err(file(&path)("the objective's memory does not fit").into());
        }
        trainer.done = run.done;
        trainer.used = run.used;
        trainer.skipped = run.skipped;
        if let (Some(scale), true) = (
            run.loss_scale,
            run.settings.mixed_precision == settings.mixed_precision,
        ) {
            trainer.scale = scale;
        }
        trainer.earlier = run.earlier;
        if run.settings != settings {
            trainer.earlier.push((run.done, run.settings));
        }
        let order = |examples| (examples, Shuffle::new(examples, settings.seed));
        trainer.order = run.examples.map(order);
        Ok(trainer)
    }
}

fn read(path: &Path) -> Result<StoredRun, RunError> {
    let text = read_text(path, MOST_BYTES).map_err(file(path))?;
    let run: StoredRun = serde_json::from_str(&text).map_err(file(path))?;
    let [skipped, at_the_end] = run.skipped;
    let counts = at_the_end <= skipped && skipped <= run.done && run.examples != Some(0);
    match run.format == FORMAT && counts {
        true => Ok(run),
        false => Err(file(path)(format!("not a run of the format {FORMAT}"))),
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
