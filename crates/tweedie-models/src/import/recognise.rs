//! The layouts of checkpoints, and which of them a file or a folder has.

use super::checkpoint::Checkpoint;
use super::{CheckpointError, diffusers, guided_diffusion, own};
use std::path::Path;

/// The layout of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// The layout of this library.
    Tweedie,
    /// A model of diffusers.
    Diffusers,
    /// A pipeline of diffusers.
    Pipeline,
    /// The weights of guided-diffusion.
    GuidedDiffusion,
}

/// Opens a checkpoint; `None` if the path has another layout.
type Recognise = fn(&Path) -> Result<Option<Checkpoint>, CheckpointError>;

/// The layouts in order of precedence: a folder may have several.
const LAYOUTS: &[Recognise] = &[
    own::recognise,
    diffusers::recognise_pipeline,
    guided_diffusion::recognise,
];

impl Checkpoint {
    /// Opens the checkpoint at `path`, a directory or a file.
    ///
    /// # Errors
    /// [`CheckpointError`] if `path` is not a checkpoint, or if a field of its configuration is
    /// unknown or unsupported.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let known = LAYOUTS
            .iter()
            .find_map(|recognise| recognise(path).transpose());
        // A folder of none of them is a model of diffusers, or lacks the file that the error names.
        known.unwrap_or_else(|| diffusers::open(path))
    }
}
