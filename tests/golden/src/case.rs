//! Golden files: a JSON sidecar and its tensors.

use crate::compare::Comparison;
use crate::error::{GoldenError, lacks};
use crate::record::{Recorded, values};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tweedie::burn::tensor::{DType, Tensor};

/// A sidecar with its tensors.
#[derive(Debug)]
pub(crate) struct File {
    /// The folder of the file.
    pub(crate) folder: PathBuf,
    /// The settings that apply to all cases.
    pub(crate) meta: Value,
    tensors: HashMap<String, Recorded>,
}

/// One case of a sidecar, and how far its replay is from its record.
#[derive(Debug)]
pub(crate) struct Case {
    /// The name of the case.
    pub(crate) id: String,
    /// The file of the case.
    pub(crate) file: Rc<File>,
    /// The comparisons so far.
    pub(crate) comparison: RefCell<Comparison>,
    settings: Value,
    /// The fields that were read.
    read: RefCell<BTreeSet<String>>,
}

/// Fields that describe a case, or that its record implies, and that no replay needs.
const DESCRIPTIONS: &[&str] = &[
    "adjoint_err",
    "attrs",
    "count",
    "dagger_resid",
    "data_mean",
    "data_var",
    "defaults",
    "discrete_index_used_f32",
    "discrete_index_used_f64",
    "err",
    "err_to_exact_ode_at_0",
    "euler_err",
    "euler_nfe",
    "f32_vs_f64_max_abs",
    "finite",
    "first",
    "id",
    "init_noise_sigma",
    "kind",
    "last",
    "lhs",
    "max_logp_diff",
    "max_rel_f32_err_alphas_cumprod",
    "n_noises",
    "nfe",
    "noise_shape",
    "noise_used_at_step",
    "note",
    "out_scale",
    "steps_run",
    "timesteps_f32_equal_f64",
    "training",
    "what",
    "x_dtype",
    "y_shape",
];

impl Case {
    /// Reads the cases of a sidecar and its `.safetensors` file.
    ///
    /// # Errors
    /// Returns a [`GoldenError`] that names the file and the fault.
    pub(crate) fn open(sidecar: &Path) -> Result<Vec<Self>, GoldenError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| GoldenError::Io(path.into(), source))
        };
        let format = |message: String| GoldenError::Format(sidecar.into(), message);
        let meta: Value =
            serde_json::from_slice(&read(sidecar)?).map_err(|error| format(error.to_string()))?;
        // Files of other kinds have no list of cases and count as one case.
        let listed = meta["cases"].as_array().cloned();
        let single = || vec![json!({ "id": "io", "kind": meta["kind"] })];
        let mut listed = listed.unwrap_or_else(single);
        // Values outside the list of cases form cases of their own.
        for (key, id, kind) in [
            ("values", "values", "metric"),
            ("noise_moments_100k", "noise_moments", "metric"),
            ("ema_get_decay", "ema_get_decay", "training"),
            ("ema_trace", "ema_trace", "training"),
            ("lr_schedules", "lr_schedules", "training"),
            ("unet_train", "unet_train", "training"),
        ] {
            let mut fields = meta.as_object().into_iter().flatten();
            if fields.any(|(name, value)| name.starts_with(key) && value.is_object()) {
                listed.push(json!({ "id": id, "kind": kind }));
            }
        }
        let beside = sidecar.with_extension("safetensors");
        let bytes = read(&beside)?;
        let stored = SafeTensors::deserialize(&bytes)
            .map_err(|error| GoldenError::Format(beside.clone(), error.to_string()))?;
        let tensors = stored.tensors().into_iter().filter_map(|(name, view)| {
            let values = values(view.dtype(), view.data(), view.shape().iter().product())?;
            let shape = view.shape().to_vec();
            Some((name, Recorded { shape, values }))
        });
        let file = Rc::new(File {
            folder: sidecar.parent().unwrap_or(sidecar).into(),
            tensors: tensors.collect(),
            meta,
        });
        let case = |settings: Value| Self {
            id: settings["id"].as_str().unwrap_or("?").to_owned(),
            file: Rc::clone(&file),
            comparison: RefCell::default(),
            settings,
            read: RefCell::default(),
        };
        Ok(listed.into_iter().map(case).collect())
    }

    /// Returns a tensor of the case, `<id>/<name>`, or else of the file, if it exists.
    pub(crate) fn find(&self, name: &str) -> Option<&Recorded> {
        let own = self.file.tensors.get(&format!("{}/{name}", self.id));
        own.or_else(|| self.file.tensors.get(name))
    }

    /// Returns a tensor of the case, or else of the file.
    pub(crate) fn record(&self, name: &str) -> Result<&Recorded, GoldenError> {
        self.find(name)
            .ok_or_else(|| lacks(format!("tensor {name}")))
    }

    /// Returns a tensor of the file.
    pub(crate) fn shared(&self, name: &str) -> Result<&Recorded, GoldenError> {
        let found = self.file.tensors.get(name);
        found.ok_or_else(|| lacks(format!("tensor {name}")))
    }

    /// Returns a record in `f64`.
    pub(crate) fn tensor<const D: usize>(&self, name: &str) -> Result<Tensor<D>, GoldenError> {
        self.record(name)?.tensor(DType::F64)
    }

    /// Returns whether the case itself has a tensor.
    pub(crate) fn has_record(&self, name: &str) -> bool {
        self.file
            .tensors
            .contains_key(&format!("{}/{name}", self.id))
    }

    /// Returns a record by its parts along the first dimension.
    pub(crate) fn parts<const D: usize>(
        &self,
        name: &str,
        dtype: DType,
    ) -> Result<Vec<Tensor<D>>, GoldenError> {
        let parts = self.record(name)?.parts();
        parts.iter().map(|part| part.tensor(dtype)).collect()
    }

    /// Like `parts`; empty if there is no such record.
    pub(crate) fn parts_if_any<const D: usize>(
        &self,
        name: &str,
        dtype: DType,
    ) -> Result<Vec<Tensor<D>>, GoldenError> {
        match self.find(name) {
            Some(_) => self.parts(name, dtype),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the names of the file's tensors that start with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Vec<&str> {
        let names = self.file.tensors.keys().map(String::as_str);
        let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
        names.sort_unstable();
        names
    }

    /// Returns the first tensor of the case whose name starts with `prefix`. Names spell settings.
    pub(crate) fn spelled_record(&self, prefix: &str) -> Result<&Recorded, GoldenError> {
        match self.names(&format!("{}/{prefix}", self.id)).first() {
            Some(name) => self.shared(name),
            None => Err(lacks(format!("tensor {prefix}…"))),
        }
    }

    /// Returns a setting of the case, or else of the file, if it exists and is not null. Dots
    /// separate the names of nested fields.
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        self.typed(path, Some)
    }

    /// Returns a setting of the case itself, if it exists and is not null.
    pub(crate) fn own(&self, path: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(path.to_owned());
        nested(&self.settings, path).filter(|value| !value.is_null())
    }

    /// Returns a setting by its type. A value of another type does not count as read.
    fn typed<'a, T>(&'a self, path: &str, convert: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let own = nested(&self.settings, path);
        let value = own.or_else(|| nested(&self.file.meta, path));
        let value = value.filter(|value| !value.is_null());
        let found = value.and_then(convert);
        if found.is_some() || value.is_none() {
            self.read.borrow_mut().insert(path.to_owned());
        }
        found
    }

    /// Returns whether the case itself has a setting. It is not read thereby.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.settings.get(key).is_some_and(|value| !value.is_null())
    }

    /// Marks fields whose values the record implies.
    pub(crate) fn implied(&self, keys: &[&str]) {
        let keys = keys.iter().map(|key| (*key).to_owned());
        self.read.borrow_mut().extend(keys);
    }

    /// Returns the fields that were not read, except for descriptions and fields without a value.
    pub(crate) fn unread(&self) -> Vec<String> {
        let mut found = Vec::new();
        leaves("", &self.settings, &mut found);
        let read = self.read.borrow();
        found.retain(|path| !read.contains(path));
        found
    }

    /// Returns a number, if the setting exists.
    pub(crate) fn maybe(&self, path: &str) -> Option<f64> {
        self.typed(path, Value::as_f64)
    }

    /// Returns a number.
    pub(crate) fn number(&self, path: &str) -> Result<f64, GoldenError> {
        self.maybe(path)
            .ok_or_else(|| lacks(format!("number {path}")))
    }

    /// Returns a number, or `otherwise`.
    pub(crate) fn number_or(&self, path: &str, otherwise: f64) -> f64 {
        self.maybe(path).unwrap_or(otherwise)
    }

    /// Returns a count.
    pub(crate) fn count(&self, path: &str) -> Result<usize, GoldenError> {
        self.number(path).map(|number| number as usize)
    }

    /// Returns a number from the case's field, or from the part of its name that starts with
    /// `prefix`, such as `N50`, or from the file.
    pub(crate) fn spelled(&self, path: &str, prefix: &str) -> Result<f64, GoldenError> {
        let number = |value: &Value| value.as_f64().or(value.as_bool().map(f64::from));
        let mut parts = self.id.split('_');
        let named = || parts.find_map(|part| part.strip_prefix(prefix)?.parse().ok());
        let found = self.own(path).and_then(number).or_else(named);
        let found = found.or_else(|| self.typed(path, number));
        found.ok_or_else(|| lacks(format!("{path}, as a field or in the name {}", self.id)))
    }

    /// Returns a text from the case's field, or else the one that its name spells.
    pub(crate) fn text_or_spelled<'a>(&'a self, path: &str, spelled: &'a str) -> &'a str {
        self.own(path).and_then(Value::as_str).unwrap_or(spelled)
    }

    /// Returns a list of numbers.
    pub(crate) fn numbers(&self, path: &str) -> Result<Vec<f64>, GoldenError> {
        let list = |value: &Value| value.is_array().then(|| list(value));
        self.typed(path, list)
            .ok_or_else(|| lacks(format!("numbers {path}")))
    }

    /// Returns a text, or an empty one if it is missing.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.typed(path, Value::as_str).unwrap_or_default()
    }

    /// Returns a text, or `otherwise`.
    pub(crate) fn text_or<'a>(&'a self, path: &str, otherwise: &'a str) -> &'a str {
        self.typed(path, Value::as_str).unwrap_or(otherwise)
    }

    /// Returns a flag, or `otherwise`.
    pub(crate) fn flag(&self, path: &str, otherwise: bool) -> bool {
        self.typed(path, Value::as_bool).unwrap_or(otherwise)
    }
}

/// Returns the value at a path of names.
fn nested<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, Value::get)
}

/// Collects the paths of all values below `value` that are not null.
fn leaves(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Null => {}
        _ if DESCRIPTIONS.contains(&path) => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                leaves(&path, value, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// Returns the numbers of a list.
pub(crate) fn list(value: &Value) -> Vec<f64> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_f64).collect()
}
