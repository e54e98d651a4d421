//! PyTorch's pickles, read without executing the code that they may contain.

use super::CheckpointError;
use super::safetensors::disguised;
use burn::store::bridge;
use burn::store::burn_pack::Tensor as Packed;
use burn::store::pytorch_reader::PytorchReader;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tweedie_core::open_file;

/// Opens the tensors of a file, named by their path through its dictionaries.
pub(super) fn open(path: &Path) -> Result<Vec<Packed>, CheckpointError> {
    let file = |source| CheckpointError::File {
        path: path.to_owned(),
        source,
    };
    let mut first = [0; 8];
    let read = open_file(path).and_then(|mut file| file.read(&mut first));
    let read = read.map_err(file)?;
    if let Some(what) = disguised(&first[..read]) {
        return Err(CheckpointError::Broken {
            path: path.to_owned(),
            message: format!("{what}, not a file of PyTorch"),
        });
    }
    if carries_code(path) {
        return Err(CheckpointError::Code {
            path: path.to_owned(),
        });
    }
    let reader = PytorchReader::new(path).map_err(|error| CheckpointError::Broken {
        path: path.to_owned(),
        message: one_line(&error.to_string()),
    })?;
    let held = std::fs::metadata(path).map_err(file)?.len();
    let tensors = reader.into_tensors().into_iter().map(|(name, tensor)| {
        let mut tensor = bridge::from_pytorch(tensor);
        tensor.name = name;
        // PyTorch does not compress, so a tensor larger than its file is a broadcast view.
        let count = tensor
            .shape
            .iter()
            .try_fold(1, |n: u64, &m| n.checked_mul(m as u64));
        let bytes = count.and_then(|n| n.checked_mul(tensor.dtype.size() as u64));
        match bytes {
            Some(bytes) if bytes <= held => Ok(tensor),
            _ => Err(CheckpointError::Broken {
                path: path.to_owned(),
                message: format!(
                    "{} of shape {:?} in a file of {held} bytes",
                    tensor.name,
                    &tensor.shape[..]
                ),
            }),
        }
    });
    tensors.collect()
}

/// Whether a pickle has classes that contain their own source, as those of EDM and StyleGAN do.
fn carries_code(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut start));
    let names = [
        &b"torch_utils.persistence"[..],
        b"dnnlib",
        b"_reconstruct_persistent_obj",
    ];
    let has = |name: &[u8]| start.windows(name.len()).any(|window| window == name);
    read.is_ok() && names.iter().any(|name| has(name))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
