//! Golden files: a JSON sidecar and its tensors.

use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use tweedie::burn::tensor::{Bytes, DType, Device, Tensor, TensorData};

/// Why a golden file could not be read, or a case could not be run as described.
#[derive(Debug)]
#[non_exhaustive]
pub enum GoldenError {
    /// A file or folder that could not be read.
    Io(PathBuf, std::io::Error),
    /// A file with a wrong format.
    Format(PathBuf, String),
    /// A folder without cases.
    Empty(PathBuf),
    /// A tensor or a setting that is missing or has another type.
    Lacks(String),
    /// Settings that the library rejects.
    Refused(String),
}

impl fmt::Display for GoldenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, source) => write!(f, "{}: {source}", path.display()),
            Self::Format(path, message) => write!(f, "{}: {message}", path.display()),
            Self::Empty(path) => write!(
                f,
                "{}: no pairs of .json and .safetensors files here",
                path.display()
            ),
            Self::Lacks(what) => write!(f, "the case lacks {what}"),
            Self::Refused(message) => f.write_str(message),
        }
    }
}

/// Every error of the library is one about recorded settings.
impl<E: std::error::Error> From<E> for GoldenError {
    fn from(error: E) -> Self {
        Self::Refused(error.to_string())
    }
}

/// One recorded tensor.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The shape.
    pub(crate) shape: Vec<usize>,
    /// The values in row-major order.
    pub(crate) values: Vec<f64>,
}

/// A sidecar with its tensors.
#[derive(Debug)]
pub(crate) struct File {
    /// The folder of the file.
    pub(crate) folder: PathBuf,
    /// The settings that apply to all cases.
    pub(crate) meta: Value,
    /// The cases, in order.
    pub(crate) cases: Vec<Case>,
    tensors: HashMap<String, Recorded>,
}

/// One case of a sidecar.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The name of the case.
    pub(crate) id: String,
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

impl File {
    /// Reads a sidecar and its `.safetensors` file.
    ///
    /// # Errors
    /// Returns a [`GoldenError`] that names the file and the fault.
    pub(crate) fn open(sidecar: &Path) -> Result<Self, GoldenError> {
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
        for (key, id) in [
            ("values", "values"),
            ("noise_moments_100k", "noise_moments"),
        ] {
            if meta[key].is_object() {
                listed.push(json!({ "id": id, "kind": "metric" }));
            }
        }
        let cases = listed.into_iter().map(|settings| {
            let id = settings["id"].as_str().unwrap_or("?").to_owned();
            Case {
                id,
                settings,
                read: RefCell::default(),
            }
        });
        let beside = sidecar.with_extension("safetensors");
        let bytes = read(&beside)?;
        let stored = SafeTensors::deserialize(&bytes)
            .map_err(|error| GoldenError::Format(beside.clone(), error.to_string()))?;
        let tensors = stored.tensors().into_iter().filter_map(|(name, view)| {
            let values = values(view.dtype(), view.data(), view.shape().iter().product())?;
            let shape = view.shape().to_vec();
            Some((name, Recorded { shape, values }))
        });
        Ok(Self {
            folder: sidecar.parent().unwrap_or(sidecar).into(),
            cases: cases.collect(),
            tensors: tensors.collect(),
            meta,
        })
    }

    /// Returns a tensor of the file, if it exists.
    pub(crate) fn find(&self, name: &str) -> Option<&Recorded> {
        self.tensors.get(name)
    }

    /// Returns whether a case has a tensor.
    pub(crate) fn holds(&self, case: &Case, name: &str) -> bool {
        self.find(&format!("{}/{name}", case.id)).is_some()
    }

    /// Returns a tensor of a case, `<id>/<name>`.
    pub(crate) fn tensor(&self, case: &Case, name: &str) -> Result<&Recorded, GoldenError> {
        self.shared(&format!("{}/{name}", case.id))
    }

    /// Returns a tensor of the file, by its full name.
    pub(crate) fn shared(&self, name: &str) -> Result<&Recorded, GoldenError> {
        let lacks = || GoldenError::Lacks(format!("tensor {name}"));
        self.find(name).ok_or_else(lacks)
    }

    /// Returns a setting of the case, or else of the file, if it exists and is not null. Dots
    /// separate the names of nested fields.
    pub(crate) fn setting<'a>(&'a self, case: &'a Case, path: &str) -> Option<&'a Value> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let nested = |value: &'a Value| {
            let keys = rest.split('.').filter(|key| !key.is_empty());
            let mut keys = keys;
            keys.try_fold(value, |value, key| value.get(key))
        };
        let own = case.get(first).and_then(nested);
        own.or_else(|| self.meta.get(first).and_then(nested))
            .filter(|value| !value.is_null())
    }

    /// Returns a number of the case, or else of the file, or else `otherwise`.
    pub(crate) fn number(&self, case: &Case, path: &str, otherwise: f64) -> f64 {
        let found = self.setting(case, path).and_then(Value::as_f64);
        found.unwrap_or(otherwise)
    }

    /// Returns the first tensor of a case whose name starts with `prefix`. Names spell settings.
    pub(crate) fn spelled(&self, case: &Case, prefix: &str) -> Result<&Recorded, GoldenError> {
        let prefix = format!("{}/{prefix}", case.id);
        match self.names(&prefix).first() {
            Some(name) => self.shared(name),
            None => Err(GoldenError::Lacks(format!("tensor {prefix}…"))),
        }
    }

    /// Returns the names of the tensors that start with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Vec<&str> {
        let names = self.tensors.keys().map(String::as_str);
        let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
        names.sort_unstable();
        names
    }
}

impl Case {
    /// Returns a setting, if it exists and is not null.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(key.to_owned());
        self.settings.get(key).filter(|value| !value.is_null())
    }

    /// Returns whether the case has a setting. It is not read thereby.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.settings.get(key).is_some_and(|value| !value.is_null())
    }

    /// Returns a setting of the case's `config`, if it exists and is not null.
    pub(crate) fn config(&self, key: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(format!("config.{key}"));
        let config = self.get("config")?;
        config.get(key).filter(|value| !value.is_null())
    }

    /// Marks fields whose values the record implies.
    pub(crate) fn implied(&self, keys: &[&str]) {
        let keys = keys.iter().map(|key| (*key).to_owned());
        self.read.borrow_mut().extend(keys);
    }

    /// Returns the fields that were not read, except for descriptions and fields without a value.
    pub(crate) fn unread(&self) -> Vec<String> {
        let read = self.read.borrow();
        let fields = |value: &Value, prefix: &str| -> Vec<String> {
            let fields = value.as_object().into_iter().flatten();
            let empty = |value: &Value| value.is_null() || *value == json!({});
            let fields = fields.filter(|(_, value)| !empty(value));
            fields.map(|(key, _)| format!("{prefix}{key}")).collect()
        };
        let mut all = fields(&self.settings, "");
        all.extend(fields(&self.settings["config"], "config."));
        all.retain(|key| !read.contains(key) && !DESCRIPTIONS.contains(&key.as_str()));
        all
    }

    /// Returns a number.
    pub(crate) fn number(&self, key: &str) -> Result<f64, GoldenError> {
        let lacks = || GoldenError::Lacks(format!("number {key}"));
        self.get(key).and_then(Value::as_f64).ok_or_else(lacks)
    }

    /// Returns a count.
    pub(crate) fn count(&self, key: &str) -> Result<usize, GoldenError> {
        self.number(key).map(|number| number as usize)
    }

    /// Returns a number from its field, or from the part of the case's name that starts with
    /// `prefix`, such as `N50`.
    pub(crate) fn spelled(&self, key: &str, prefix: &str) -> Result<f64, GoldenError> {
        let lacks = || GoldenError::Lacks(format!("{key}, as a field or in the name {}", self.id));
        let mut parts = self.id.split('_');
        let named = || parts.find_map(|part| part.strip_prefix(prefix)?.parse().ok());
        let field = self.get(key);
        let field = field.and_then(|it| it.as_f64().or(it.as_bool().map(f64::from)));
        field.or_else(named).ok_or_else(lacks)
    }

    /// Returns a list of numbers.
    pub(crate) fn numbers(&self, key: &str) -> Result<Vec<f64>, GoldenError> {
        let lacks = || GoldenError::Lacks(format!("numbers {key}"));
        let list = self.get(key).and_then(Value::as_array).ok_or_else(lacks)?;
        Ok(list.iter().filter_map(Value::as_f64).collect())
    }

    /// Returns a text, or an empty one if it is missing.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Recorded {
    /// Returns the tensor in a dtype of the library.
    pub(crate) fn tensor<const D: usize>(&self, dtype: DType) -> Result<Tensor<D>, GoldenError> {
        let shape: [usize; D] = self.shape.clone().try_into().map_err(|shape: Vec<usize>| {
            GoldenError::Lacks(format!("{D} dimensions in a tensor of shape {shape:?}"))
        })?;
        let data = TensorData::new(self.values.clone(), shape);
        Ok(Tensor::from_data(data, (&Device::flex(), dtype)))
    }

    /// Returns part `i` along the first dimension.
    pub(crate) fn part(&self, i: usize) -> Self {
        let length: usize = self.shape[1..].iter().product();
        Self {
            shape: self.shape[1..].to_vec(),
            values: self.values[i * length..(i + 1) * length].to_vec(),
        }
    }

    /// Returns all parts along the first dimension.
    pub(crate) fn parts(&self) -> Vec<Self> {
        (0..self.shape[0]).map(|i| self.part(i)).collect()
    }

    /// Returns a matrix by its rows.
    pub(crate) fn rows(&self) -> Vec<Vec<f64>> {
        self.parts().into_iter().map(|row| row.values).collect()
    }
}

/// Returns an error with a message.
pub(crate) fn refused(message: impl fmt::Display) -> GoldenError {
    GoldenError::Refused(message.to_string())
}

fn values(dtype: Dtype, data: &[u8], length: usize) -> Option<Vec<f64>> {
    fn each<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let chunks = data
            .chunks_exact(N)
            .filter_map(|chunk| chunk.try_into().ok());
        chunks.map(read).collect()
    }
    Some(match dtype {
        Dtype::F64 => each(data, f64::from_le_bytes),
        Dtype::F32 => each(data, |bytes| f32::from_le_bytes(bytes).into()),
        Dtype::I64 => each(data, |bytes| i64::from_le_bytes(bytes) as f64),
        Dtype::I32 => each(data, |bytes| i32::from_le_bytes(bytes).into()),
        Dtype::F16 => {
            let data = Bytes::from_bytes_vec(data.to_vec());
            let values = TensorData::try_from_bytes(data, [length], DType::F16).ok()?;
            values.iter::<f64>().collect()
        }
        Dtype::U8 | Dtype::BOOL => data.iter().map(|&byte| byte.into()).collect(),
        _ => return None,
    })
}
