//! Loading the tensors of a file into the parameters of a network.

use super::export::MOST_HALF;
use super::place::{Naming, Place, Target, targets};
use super::stored::Stored;
use super::transpose::{rows, transpose};
use super::{CheckpointError, Mismatch, Misshapen};
use burn::module::Module;
use burn::store::ModuleSnapshot;
use burn::store::bridge;
use burn::store::burn_pack::{Error as PackError, Tensor as Packed};
use burn::tensor::{Bytes, DType, TensorData};
use std::collections::BTreeSet;

/// The precision of weights, in a file or in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// 32 bits.
    #[default]
    Full,
    /// 16 bits, `f16`: half the size, a relative error of 5e-4.
    Half,
    /// Unchanged.
    Stored,
}

impl Precision {
    pub(crate) fn of(self, dtype: DType) -> DType {
        match self {
            Self::Full => DType::F32,
            Self::Half => DType::F16,
            Self::Stored => dtype,
        }
    }
}

/// Loads the tensors of a file into `module`, one by one. Dropout is off until the network is
/// switched to training.
pub(crate) fn load<M: Module>(
    mut module: M,
    stored: &Stored,
    layout: &dyn Naming,
    precision: Precision,
) -> Result<M, CheckpointError> {
    let plan: Vec<_> = targets(&module)
        .into_iter()
        .map(|target| (layout.place(&target), target))
        .collect();
    check(stored, &plan)?;
    let tensors = plan.into_iter().filter_map(|(place, target)| {
        let tensor = stored.tensors.get(&place.name)?;
        Some(placed(tensor.clone(), place, target, precision))
    });
    let applied = module.apply(tensors.collect(), None, None, true);
    let errors: Vec<String> = applied
        .errors
        .iter()
        .map(|error| {
            let text = error.to_string();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    if errors.is_empty() {
        // Without this, dropout would be active wherever a gradient flows through the network.
        return Ok(module.valid());
    }
    Err(CheckpointError::Broken {
        path: stored.path.clone(),
        message: errors.join(", "),
    })
}

/// Checks a file against a plan; the error lists all differences.
fn check(stored: &Stored, plan: &[(Place, Target)]) -> Result<(), CheckpointError> {
    let places: BTreeSet<&str> = plan.iter().map(|(place, _)| place.name.as_str()).collect();
    let found = stored.tensors.keys().map(String::as_str);
    let unexpected: Vec<String> = found
        .filter(|name| !places.contains(name))
        .map(String::from)
        .collect();
    let mut mismatch = Mismatch::default();
    let mut seen = BTreeSet::new();
    for (place, _) in plan.iter().filter(|(place, _)| seen.insert(&place.name)) {
        let Some(tensor) = stored.tensors.get(&place.name) else {
            // Suggest a name for the first few only: an unrelated file lacks thousands.
            let guess = mismatch.missing.len() < GUESSES;
            let nearest = guess.then(|| nearest(&place.name, &unexpected)).flatten();
            mismatch.missing.push((place.name.clone(), nearest));
            continue;
        };
        let fits = without_ones(&tensor.shape) == without_ones(&place.shape);
        if !fits || !tensor.dtype.is_float() {
            mismatch.misshapen.push(Misshapen {
                name: place.name.clone(),
                expected: format!("{:?}", place.shape),
                found: format!("{:?} {:?}", tensor.dtype, &tensor.shape[..]),
            });
        }
    }
    mismatch.unexpected = unexpected;
    if mismatch.is_empty() {
        return Ok(());
    }
    Err(CheckpointError::Tensors {
        path: stored.path.clone(),
        mismatch,
    })
}

/// Removes trailing sides of 1: a linear map may be stored as a 1×1 convolution.
fn without_ones(shape: &[usize]) -> &[usize] {
    let kept = shape
        .iter()
        .rposition(|&side| side != 1)
        .map_or(0, |last| last + 1);
    &shape[..kept]
}

/// Maximum number of missing tensors for which a name is suggested.
const GUESSES: usize = 32;

/// The most similar name, if its edit distance is less than a third of the length of `name`.
fn nearest(name: &str, others: &[String]) -> Option<String> {
    let near = |other: &&String| 3 * other.len().abs_diff(name.len()) < name.len();
    let distances = others
        .iter()
        .filter(near)
        .take(1000)
        .map(|other| (strsim::levenshtein(name, other), other));
    let (distance, other) = distances.min()?;
    (3 * distance < name.len()).then(|| other.clone())
}

/// A tensor in the network's shape and precision, which is read lazily.
fn placed(tensor: Packed, place: Place, target: Target, precision: Precision) -> Packed {
    let (dtype, shape) = (precision.of(tensor.dtype), target.shape.clone());
    bridge::deferred(target.path.clone(), dtype, shape.into(), None, move || {
        let size = tensor.dtype.size();
        let mut bytes = tensor.to_bytes()?;
        if !place.rows.is_empty() {
            let row = bytes.len() / place.shape[0].max(1);
            bytes = Bytes::from_bytes_vec(rows(&bytes, row, &place.rows));
        }
        if let (true, &[input, output]) = (target.linear, &target.shape[..]) {
            bytes = transpose(&bytes, output, input, size);
        }
        let data = TensorData::try_from_bytes(bytes, target.shape.clone(), tensor.dtype)
            .map_err(|error| PackError::ValidationError(error.to_string()))?;
        let narrows = dtype == DType::F16 && tensor.dtype != DType::F16;
        if narrows
            && data
                .iter::<f32>()
                .any(|x| x.is_finite() && x.abs() > MOST_HALF)
        {
            let message = format!("{} holds numbers too large for half precision", target.path);
            return Err(PackError::ValidationError(message));
        }
        Ok(data.convert_dtype(dtype))
    })
}
