//! Safetensors files, read tensor by tensor.
//!
//! Opening a file reads and checks the header. The bytes of a tensor are read lazily, so that
//! loading holds only the model and one tensor in memory. The file is read and not memory-mapped:
//! mapped pages count twice while they are copied, and the program crashes if another process
//! truncates the file.

use super::CheckpointError;
use burn::store::bridge;
use burn::store::burn_pack::{Error as PackError, Tensor as Packed};
use burn::tensor::{Bytes, DType, TensorData};
use bytemuck::Pod;
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tweedie_core::open_file;

/// Maximum size of a header in bytes: a hundred times that of a large model.
const MOST: u64 = 25_000_000;

/// Fills a buffer with the bytes at an offset.
type ReadAt = Arc<dyn Fn(u64, &mut [u8]) -> std::io::Result<()> + Send + Sync>;

/// Opens the tensors of a file without reading them.
pub(super) fn open(path: &Path) -> Result<Vec<Packed>, CheckpointError> {
    let io = |source| CheckpointError::File {
        path: path.to_owned(),
        source,
    };
    let file = open_file(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let file = Mutex::new(file);
    let source: ReadAt = Arc::new(move |place, data| {
        // A lock poisoned by a panic in another thread still guards a valid file.
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(data)
    });
    tensors(&source, length, path)
}

/// Opens the tensors of a file in memory.
pub(super) fn bytes(bytes: &'static [u8]) -> Result<Vec<Packed>, CheckpointError> {
    let source: ReadAt = Arc::new(move |place, data| {
        let start = place as usize;
        let part = bytes.get(start..start + data.len());
        data.copy_from_slice(part.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    });
    tensors(&source, bytes.len() as u64, Path::new("memory"))
}

fn tensors(source: &ReadAt, length: u64, path: &Path) -> Result<Vec<Packed>, CheckpointError> {
    let broken = |message: String| CheckpointError::Broken {
        path: path.to_owned(),
        message,
    };
    let read = |place, bytes: usize| {
        let mut data = vec![0; bytes];
        match source(place, &mut data) {
            Ok(()) => Ok(data),
            Err(source) => Err(CheckpointError::File {
                path: path.to_owned(),
                source,
            }),
        }
    };
    if length < 8 {
        return Err(broken(format!("{length} bytes are not a safetensors file")));
    }
    let first = read(0, 8)?;
    if let Some(what) = disguised(&first) {
        return Err(broken(format!("{what}, not a safetensors file")));
    }
    let header = first
        .iter()
        .rev()
        .fold(0, |all, &byte| all << 8 | u64::from(byte));
    if header > MOST || header > length - 8 {
        let message = format!("a header of {header} bytes in a file of {length}");
        return Err(broken(message));
    }
    let text = read(8, header as usize)?;
    let Header(mut entries) =
        serde_json::from_slice(&text).map_err(|error| broken(format!("the header: {error}")))?;
    let (start, room) = (8 + header, length - 8 - header);
    // Tensors have to fill the file without gaps or overlaps.
    entries.sort_by_key(|(_, info)| info.data_offsets);
    let mut tensors = Vec::new();
    let mut end = 0;
    for (name, info) in entries {
        let (dtype, bytes) =
            check(&info, room).map_err(|error| broken(format!("{name}: {error}")))?;
        let begin = info.data_offsets.0;
        if begin != end {
            let message = format!("{name} begins at byte {begin}, where byte {end} comes next");
            return Err(broken(message));
        }
        end = info.data_offsets.1;
        let (shape, place) = (info.shape, start + info.data_offsets.0 as u64);
        let (source, declared) = (Arc::clone(source), shape.clone());
        let read = move || {
            let data = aligned(dtype, bytes, |data| source(place, data))
                .map_err(|error| PackError::IoError(error.to_string()))?;
            TensorData::try_from_bytes(data, declared.clone(), dtype)
                .map_err(|error| PackError::ValidationError(error.to_string()))
        };
        tensors.push(bridge::deferred(name, dtype, shape.into(), None, read));
    }
    if end as u64 != room {
        return Err(broken(format!(
            "{end} bytes of tensors, and {room} in the file"
        )));
    }
    Ok(tensors)
}

/// Recognises, by its first bytes, a file that is often found in place of weights.
pub(super) fn disguised(first: &[u8]) -> Option<&'static str> {
    let first = first.trim_ascii_start();
    match first {
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', ..] => {
            Some("a pointer of Git LFS (`git lfs pull` fetches the file itself)")
        }
        [b'<', ..] => Some("an HTML or XML page, such as that of a failed download"),
        _ => None,
    }
}

/// The tensors of a header in its order, without duplicates.
struct Header(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut entries, mut seen) = (Vec::new(), HashSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom(format!("{name} stands there twice")));
                    }
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Header(entries))
            }
        }
        from.deserialize_map(Entries)
    }
}

/// Reads bytes into memory aligned for `dtype`, so that they need not be copied.
fn aligned(
    dtype: DType,
    bytes: usize,
    fill: impl FnOnce(&mut [u8]) -> std::io::Result<()>,
) -> std::io::Result<Bytes> {
    fn of<T: Pod + Send + Sync>(
        count: usize,
        fill: impl FnOnce(&mut [u8]) -> std::io::Result<()>,
    ) -> std::io::Result<Bytes> {
        let mut numbers = vec![T::zeroed(); count];
        fill(bytemuck::cast_slice_mut(&mut numbers))?;
        Ok(Bytes::from_elems(numbers))
    }
    match dtype.size() {
        8 => of::<u64>(bytes / 8, fill),
        4 => of::<u32>(bytes / 4, fill),
        2 => of::<u16>(bytes / 2, fill),
        _ => of::<u8>(bytes, fill),
    }
}

/// Checks that a tensor is within `room` bytes, and returns its type and size in bytes.
fn check(info: &TensorInfo, room: u64) -> Result<(DType, usize), String> {
    let dtype = match info.dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::U8 => DType::U8,
        other => return Err(format!("{other:?} is not a type of weights")),
    };
    let product = info
        .shape
        .iter()
        .try_fold(dtype.size(), |all, side| all.checked_mul(*side));
    let (begin, end) = info.data_offsets;
    let held = end.checked_sub(begin);
    match (product, held) {
        (Some(bytes), Some(held)) if bytes == held && end as u64 <= room => Ok((dtype, bytes)),
        _ => Err(format!(
            "{dtype:?} {:?} at bytes {begin} to {end} of {room}",
            info.shape
        )),
    }
}
