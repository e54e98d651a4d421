//! Measurement files: one file holds operator, noise model and measured values.
//!
//! The format is `safetensors`. The tensor `y` holds the measured values. The metadata entry
//! `measurement` describes the operator and the noise model as JSON. In this description,
//! `{"tensor": name}` replaces every array of an operator; the file stores the array as the tensor
//! `name`.

use crate::measurement::Measurement;
use crate::noise::AnyNoise;
use crate::operator::{AnyOperator, Linear, Operator};
use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use tweedie_core::{read_file, replace_file};

/// Why a measurement could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasurementError {
    /// The file could not be written or read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file is not a measurement.
    #[error("{path} is not a measurement: {message}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The reason.
        message: String,
    },
}

/// The JSON description in the metadata.
#[derive(Serialize, Deserialize)]
struct StoredMeasurement {
    operator: AnyOperator,
    noise: AnyNoise,
}

/// A measurement of images with any operator and any noise model of this library.
pub type AnyMeasurement = Measurement<4, AnyOperator, AnyNoise>;

const KEY: &str = "measurement";

/// The maximum length in bytes of a description, without its arrays.
const MOST_TEXT: usize = 1 << 22;

/// The maximum size of a file in bytes.
const MOST_BYTES: u64 = 1 << 32;

impl<A: Clone + Into<AnyOperator>, N: Clone + Into<AnyNoise>> Measurement<4, A, N> {
    /// Writes the measurement to a file. An existing file is replaced atomically.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use tweedie_core::HostNoise;
    /// use tweedie_inverse::measurement::{AnyMeasurement, Measurement};
    /// use tweedie_inverse::noise::GaussianNoise;
    /// use tweedie_inverse::operator::AveragePool;
    ///
    /// let (device, mut noise) = (Device::flex(), HostNoise::seeded(7));
    /// let truth = Tensor::<4>::ones([1, 3, 16, 16], &device);
    /// let (pool, sensor) = (AveragePool::new(4)?, GaussianNoise::new(0.1)?);
    /// let measured = Measurement::simulate(pool, sensor, truth, &mut noise)?;
    /// let path = std::env::temp_dir().join(format!("tweedie-{}.safetensors", std::process::id()));
    /// measured.save(&path)?;
    /// let again = AnyMeasurement::load(&path, &device)?;
    /// assert_eq!(again.y.into_data(), measured.y.into_data());
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MeasurementError`] if `y` is not finite or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), MeasurementError> {
        let path = path.as_ref();
        let format = |message: String| MeasurementError::Format {
            path: path.into(),
            message,
        };
        let description = StoredMeasurement {
            operator: self.operator.clone().into(),
            noise: self.noise.clone().into(),
        };
        let mut written =
            serde_json::to_value(&description).map_err(|error| format(error.to_string()))?;
        let mut arrays = Vec::new();
        take_arrays(&mut written, KEY, &mut arrays);
        let seen = self.y.clone().without_autodiff().into_data();
        if let Some(value) = seen.iter::<f64>().find(|value| !value.is_finite()) {
            return Err(format(format!("y holds {value}")));
        }
        let shape = seen.shape().to_vec();
        let (dtype, bytes) = match self.y.dtype() {
            DType::F64 => (Dtype::F64, little(seen.iter::<f64>(), f64::to_le_bytes)),
            _ => (Dtype::F32, little(seen.iter::<f32>(), f32::to_le_bytes)),
        };
        arrays.push(("y".to_owned(), dtype, shape, bytes));
        let views = arrays.iter().map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name, view))
        });
        let views: Result<Vec<_>, _> = views.collect();
        let views = views.map_err(|error| format(error.to_string()))?;
        let metadata = HashMap::from([(KEY.to_owned(), written.to_string())]);
        let bytes = safetensors::serialize(views, Some(metadata))
            .map_err(|error| format(error.to_string()))?;
        replace_file(path, &bytes).map_err(|source| MeasurementError::Io {
            path: path.into(),
            source,
        })
    }
}

impl AnyMeasurement {
    /// Reads a measurement from a file.
    ///
    /// # Errors
    /// [`MeasurementError`] if the file cannot be read, or does not describe a measurement with an
    /// operator and a noise model of this library.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, MeasurementError> {
        let path = path.as_ref();
        let format = |message: String| MeasurementError::Format {
            path: path.into(),
            message,
        };
        let bytes = read_file(path, MOST_BYTES).map_err(|source| MeasurementError::Io {
            path: path.into(),
            source,
        })?;
        let error = |error: safetensors::SafeTensorError| format(error.to_string());
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(error)?;
        let stored = SafeTensors::deserialize(&bytes).map_err(error)?;
        let text = metadata.metadata().as_ref().and_then(|all| all.get(KEY));
        let text = text.ok_or_else(|| format(format!("its metadata have no {KEY:?}")))?;
        if text.len() > MOST_TEXT {
            return Err(format(format!("a description of {} bytes", text.len())));
        }
        let mut written: Value =
            serde_json::from_str(text).map_err(|error| format(error.to_string()))?;
        let (declared, most) = (declared(&written), (1 << 16) | (64 * bytes.len()));
        if declared > most {
            let message = format!(
                "sizes of {declared} pixels in a file of {} bytes",
                bytes.len()
            );
            return Err(format(message));
        }
        put_arrays(&mut written, &stored, &mut HashSet::new()).map_err(format)?;
        let description: StoredMeasurement =
            serde_json::from_value(written).map_err(|error| format(error.to_string()))?;
        let (shape, values, dtype) = array(&stored, "y").map_err(format)?;
        let shape: [usize; 4] = shape
            .try_into()
            .map_err(|shape| format(format!("y has the shape {shape:?}, expected 4 dimensions")))?;
        let y = Tensor::from_data(TensorData::new(values, shape), (device, dtype));
        if let AnyOperator::Linear(operator) = &description.operator {
            let signal = operator.input_shape(shape);
            let signal = signal.map_err(|error| format(error.to_string()))?;
            let measured = operator.output_shape(signal);
            measured.map_err(|error| format(error.to_string()))?;
        }
        Ok(Self::new(description.operator, description.noise, y))
    }
}

/// Returns the total number of pixels in the `size` fields of a description. Operators allocate
/// filters of these sizes, so `load` limits the total.
fn declared(value: &Value) -> usize {
    let product = |size: &Vec<Value>| {
        let side = |side: &Value| side.as_u64().map_or(1, |side| side as usize);
        size.iter().map(side).fold(1, usize::saturating_mul)
    };
    let within = |values: &mut dyn Iterator<Item = &Value>| {
        values.map(declared).fold(0, usize::saturating_add)
    };
    match value {
        Value::Object(fields) => {
            let own = fields.get("size").and_then(Value::as_array);
            own.map_or(0, product)
                .saturating_add(within(&mut fields.values()))
        }
        Value::Array(items) => within(&mut items.iter()),
        _ => 0,
    }
}

type Array = (String, Dtype, Vec<usize>, Vec<u8>);

/// Moves every array out of a description, named by its path (`measurement.operator.linear.mask`).
fn take_arrays(value: &mut Value, place: &str, arrays: &mut Vec<Array>) {
    if let Some((shape, values)) = as_array(value) {
        arrays.push((
            place.to_owned(),
            Dtype::F64,
            shape,
            little(values.into_iter(), f64::to_le_bytes),
        ));
        *value = json!({ "tensor": place });
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                take_arrays(field, &format!("{place}.{name}"), arrays);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                take_arrays(item, &format!("{place}.{i}"), arrays);
            }
        }
        _ => {}
    }
}

/// Returns shape and values of `{"shape": […], "values": […]}`, and `None` for anything else.
fn as_array(value: &Value) -> Option<(Vec<usize>, Vec<f64>)> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    let shape = fields.get("shape")?.as_array()?;
    let shape: Option<Vec<usize>> = shape
        .iter()
        .map(|n| n.as_u64().map(|n| n as usize))
        .collect();
    let values = fields.get("values")?.as_array()?;
    let values: Option<Vec<f64>> = values.iter().map(Value::as_f64).collect();
    Some((shape?, values?))
}

/// Puts every array back into the description.
fn put_arrays(
    value: &mut Value,
    stored: &SafeTensors,
    used: &mut HashSet<String>,
) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            let name = fields.get("tensor").and_then(Value::as_str);
            if let Some(name) = name.filter(|_| fields.len() == 1) {
                if !used.insert(name.to_owned()) {
                    return Err(format!("tensor {name} is used twice"));
                }
                let (shape, values, _) = array(stored, name)?;
                *value = json!({ "shape": shape, "values": values });
                return Ok(());
            }
            fields
                .values_mut()
                .try_for_each(|field| put_arrays(field, stored, used))
        }
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| put_arrays(item, stored, used)),
        _ => Ok(()),
    }
}

fn array(stored: &SafeTensors, name: &str) -> Result<(Vec<usize>, Vec<f64>, DType), String> {
    let view = stored.tensor(name).map_err(|error| error.to_string())?;
    let (values, dtype): (Vec<f64>, _) = match view.dtype() {
        Dtype::F64 => {
            let words = view.data().as_chunks::<8>().0;
            (
                words.iter().map(|word| f64::from_le_bytes(*word)).collect(),
                DType::F64,
            )
        }
        Dtype::F32 => {
            let words = view.data().as_chunks::<4>().0;
            let values = words.iter().map(|word| f32::from_le_bytes(*word).into());
            (values.collect(), DType::F32)
        }
        other => return Err(format!("tensor {name} is {other:?}, expected F32 or F64")),
    };
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(format!("tensor {name} holds {value}"));
    }
    Ok((view.shape().to_vec(), values, dtype))
}

fn little<T, const N: usize>(
    values: impl Iterator<Item = T>,
    bytes: impl Fn(T) -> [u8; N],
) -> Vec<u8> {
    values.flat_map(bytes).collect()
}
