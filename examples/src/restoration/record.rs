//! What made a restoration, so that it can be made again.

use super::Settings;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tweedie::core::{read_text, replace_file};

/// The name of the file within the folder of a restoration.
const FILE: &str = "experiment.json";

/// Everything that a restoration depends on besides the library and the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The version of the library.
    pub version: String,
    /// The file of the image, and its checksum.
    pub image: (PathBuf, String),
    /// Whether the image was clean and its damage simulated.
    pub simulate: bool,
    /// The operator, as on the command line.
    pub operator: String,
    /// The file of the operator, and its checksum.
    pub operator_file: Option<(PathBuf, String)>,
    /// A file with the mask of the operator, and its checksum.
    pub mask: Option<(PathBuf, String)>,
    /// The noise, as on the command line.
    pub noise: String,
    /// The prior, and the checksum of its weights.
    pub model: (PathBuf, String),
    /// The side of the tiles.
    pub tile: Option<usize>,
    /// The method and its settings.
    pub settings: Settings,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl Experiment {
    /// Writes the description into the folder of a restoration.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn save(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let text = serde_json::to_string_pretty(self)?;
        Ok(replace_file(folder.join(FILE), text.as_bytes())?)
    }

    /// Reads the description of a restoration.
    ///
    /// # Errors
    /// If it cannot be read, or a file that it names has changed.
    pub fn open(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let path = folder.join(FILE);
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = read_text(&path, 1 << 20).map_err(|error| named(&error))?;
        let this: Self = serde_json::from_str(&text).map_err(|error| named(&error))?;
        let files = [&this.mask, &this.operator_file].into_iter().flatten();
        for (file, checksum) in files.chain([&this.image, &this.model]) {
            let found = self::checksum(file)?;
            if found.is_empty() && !checksum.is_empty() {
                return Err(format!("{} is not there", file.display()).into());
            }
            if found != *checksum {
                return Err(format!("{} is not what it was then", file.display()).into());
            }
        }
        Ok(this)
    }
}

/// The SHA-256 of a file, or of all files of a folder; empty for what is part of the library.
///
/// # Errors
/// Any I/O error.
pub(super) fn checksum(path: &Path) -> io::Result<String> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
        files = entries.collect::<io::Result<_>>()?;
        files.retain(|file| file.is_file());
        files.sort();
    } else if !path.exists() {
        return Ok(String::new());
    }
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update(fs::read(file)?);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
