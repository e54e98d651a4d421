//! The tensors of a checkpoint, in one or several files.

use super::fields::Fields;
use super::{CheckpointError, pickle, safetensors};
use burn::store::burn_pack::Tensor as Packed;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Named tensors that have not been read yet.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The file, or the index of the files.
    pub(crate) path: PathBuf,
    /// Tensors by name.
    pub(crate) tensors: BTreeMap<String, Packed>,
}

impl Stored {
    /// Opens a safetensors file, a pickle, or the index of several files.
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A variant may precede the extension: `….index.fp16.json`.
        let tensors = match name.ends_with(".json") && name.contains(".index.") {
            true => shards(path)?,
            false => one(path)?,
        };
        let tensors = tensors
            .into_iter()
            .map(|tensor| (tensor.name.clone(), tensor));
        Ok(Self {
            path: path.to_owned(),
            tensors: tensors.collect(),
        })
    }

    /// Opens a safetensors file in memory.
    pub(crate) fn bytes(bytes: &'static [u8]) -> Result<Self, CheckpointError> {
        let tensors = safetensors::bytes(bytes)?.into_iter();
        let tensors = tensors.map(|tensor| (tensor.name.clone(), tensor));
        Ok(Self {
            path: PathBuf::from("memory"),
            tensors: tensors.collect(),
        })
    }

    /// Renames the tensors, and drops those for which `rename` returns `None`.
    pub(crate) fn renamed(self, rename: impl Fn(&str) -> Option<String>) -> Self {
        let tensors = self.tensors.into_iter();
        let tensors = tensors.filter_map(|(name, tensor)| Some((rename(&name)?, tensor)));
        Self {
            tensors: tensors.collect(),
            ..self
        }
    }

    /// Keeps the tensors of the dictionary that contains `first`, without its prefix. If there is
    /// none, all tensors are kept. Checkpoints often store weights next to a training state.
    /// Several such dictionaries are an error.
    pub(crate) fn below(self, first: &str) -> Result<Self, CheckpointError> {
        let names = self.tensors.keys();
        let prefixes: Vec<String> = names
            .filter_map(|name| name.strip_suffix(first))
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            .map(String::from)
            .collect();
        match &prefixes[..] {
            [] => Ok(self),
            [prefix] if prefix.is_empty() => Ok(self),
            [prefix] => Ok(self.renamed(|name| name.strip_prefix(prefix).map(String::from))),
            several => Err(CheckpointError::Unknown {
                message: format!(
                    "weights of several networks, {first} lies below each of {several:?}; \
                     write those of one into a file of their own"
                ),
                path: self.path,
            }),
        }
    }

    /// Checks that there are at least `blocks` tensors, before a network of `blocks` blocks is
    /// created.
    pub(crate) fn may_hold(&self, blocks: usize) -> Result<(), CheckpointError> {
        let tensors = self.tensors.len();
        match blocks <= tensors {
            true => Ok(()),
            false => Err(CheckpointError::Unknown {
                path: self.path.clone(),
                message: format!("a network of {blocks} blocks, and a file of {tensors} tensors"),
            }),
        }
    }

    /// The shape of a tensor, if there is one of this name.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| &tensor.shape[..])
    }
}

/// Opens the tensors of a file, which is safetensors or a pickle by its extension.
fn one(path: &Path) -> Result<Vec<Packed>, CheckpointError> {
    match path.extension().is_some_and(|end| end == "safetensors") {
        true => safetensors::open(path),
        false => pickle::open(path),
    }
}

/// Opens all files of an index, and takes each tensor from the file that the index names.
fn shards(index: &Path) -> Result<Vec<Packed>, CheckpointError> {
    let mut fields = Fields::open(index)?;
    let map: BTreeMap<String, String> = fields.or("weight_map", BTreeMap::new())?;
    let mut files: Vec<&String> = map.values().collect();
    files.sort_unstable();
    files.dedup();
    let mut tensors = Vec::new();
    for file in files {
        // An index may only name files in its own folder.
        if Path::new(file).components().count() != 1 || file.starts_with('.') {
            return Err(fields.wrong("weight_map", format!("{file:?} is not a file's name")));
        }
        let held = one(&index.with_file_name(file))?.into_iter();
        tensors.extend(held.filter(|tensor| map.get(&tensor.name) == Some(file)));
    }
    let found: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    if let Some((name, file)) = map.iter().find(|(name, _)| !found.contains(name.as_str())) {
        return Err(fields.wrong("weight_map", format!("{file} has no tensor {name}")));
    }
    Ok(tensors)
}
