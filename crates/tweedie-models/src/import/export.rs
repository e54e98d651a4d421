//! Writing the parameters of a network to a file.

use super::place::{Naming, targets};
use super::transpose::transpose;
use super::{CheckpointError, Precision};
use burn::module::Module;
use burn::store::ModuleSnapshot;
use burn::store::burn_pack::Tensor as Packed;
use burn::tensor::{DType, TensorData};
use safetensors::{Dtype, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tweedie_core::replace_file_at;

/// Writes the parameters of a network one by one to a temporary file, then moves it to `path`.
pub(crate) fn tensors<M: Module>(
    network: &M,
    layout: &dyn Naming,
    precision: Precision,
    path: &Path,
) -> Result<(), CheckpointError> {
    let targets = targets(network).into_iter();
    let targets: BTreeMap<_, _> = targets
        .map(|target| (target.path.clone(), target))
        .collect();
    let lost = Arc::new(AtomicBool::new(false));
    let stored = network.collect(None, None, true).into_iter();
    let stored = stored.filter_map(|tensor| {
        let target = targets.get(&tensor.name)?;
        let place = layout.place(target);
        let stored = StoredView {
            dtype: precision.of(tensor.dtype),
            flipped: target.linear.then(|| [target.shape[0], target.shape[1]]),
            shape: place.shape,
            tensor,
            lost: Arc::clone(&lost),
        };
        Some((place.name, stored))
    });
    // Other libraries expect this metadata.
    let notes = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let written = replace_file_at(path, |partial| {
        safetensors::serialize_to_file(stored, Some(notes), partial)
            .map_err(std::io::Error::other)?;
        match lost.load(Ordering::Relaxed) {
            true => Err(std::io::Error::other(
                "a parameter could not be read back, or is too large for half precision",
            )),
            false => Ok(()),
        }
    });
    written.map_err(|source| CheckpointError::File {
        path: path.to_owned(),
        source,
    })
}

/// The largest finite `f16` number.
pub(super) const MOST_HALF: f32 = 65504.0;

/// A parameter to be written.
struct StoredView {
    tensor: Packed,
    dtype: DType,
    /// The shape in the network, for a weight that is stored transposed.
    flipped: Option<[usize; 2]>,
    shape: Vec<usize>,
    /// Set if a parameter cannot be read back from its device, or overflows half precision.
    /// `View::data` cannot return an error.
    lost: Arc<AtomicBool>,
}

impl StoredView {
    fn bytes(&self) -> Option<Vec<u8>> {
        let bytes = self.tensor.to_bytes().ok()?;
        let data = TensorData::try_from_bytes(bytes, self.tensor.shape.clone(), self.tensor.dtype);
        let data = data.ok()?;
        let narrows = self.dtype == DType::F16 && data.dtype() != DType::F16;
        if narrows
            && data
                .iter::<f32>()
                .any(|x| x.is_finite() && x.abs() > MOST_HALF)
        {
            return None;
        }
        let data = data.convert_dtype(self.dtype);
        let bytes = data.into_bytes();
        Some(match self.flipped {
            Some([rows, columns]) => transpose(&bytes, rows, columns, self.dtype.size()).to_vec(),
            None => bytes.to_vec(),
        })
    }
}

impl View for StoredView {
    fn dtype(&self) -> Dtype {
        match self.dtype {
            DType::F64 => Dtype::F64,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = self.bytes();
        if bytes.is_none() {
            self.lost.store(true, Ordering::Relaxed);
        }
        Cow::Owned(bytes.unwrap_or_default())
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }
}
