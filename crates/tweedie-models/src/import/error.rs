//! Why a checkpoint could not be read or written.

use crate::NetworkError;
use std::fmt;
use std::path::PathBuf;

/// Why a checkpoint could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file that could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory or file in none of the layouts that are known.
    #[error("{}: {message}", path.display())]
    Unknown {
        /// Which one.
        path: PathBuf,
        /// What was looked for.
        message: String,
    },
    /// A configuration that is not JSON, or not of the expected shape.
    #[error("{}: {source}", path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A field of a configuration with a value that no model here has.
    #[error("{}: {field}: {message}", path.display())]
    Field {
        /// Which file.
        path: PathBuf,
        /// Which field.
        field: String,
        /// What was found, and what is known.
        message: String,
    },
    /// Fields of a configuration that are not known, and that may change the result.
    #[error("{}: unknown fields, which may change the result: {}", path.display(), fields.join(", "))]
    UnknownFields {
        /// Which file.
        path: PathBuf,
        /// Their names with their values.
        fields: Vec<String>,
    },
    /// A configuration that no network can have.
    #[error("{}: {source}", path.display())]
    Network {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: NetworkError,
    },
    /// A schedule or a prediction with a parameter outside its range.
    #[error("{}: {source}", path.display())]
    Schedule {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: tweedie_math::ScheduleError,
    },
    /// A tensor file that is broken: cut off, not what its name says, or hostile.
    #[error("{}: {message}", path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A pickle that carries program code, which is never run.
    #[error(
        "{}: this pickle carries program code, which is not run here; in Python, load it with the \
         code it came with and write its weights with safetensors.torch.save_file(net.state_dict(), \
         \"model.safetensors\")",
        path.display()
    )]
    Code {
        /// Which file.
        path: PathBuf,
    },
    /// Tensors that are not those of the network.
    #[error("{}: not the weights of this network: {mismatch}", path.display())]
    Tensors {
        /// Which file.
        path: PathBuf,
        /// Every tensor that is missing, unexpected or misshapen.
        mismatch: Mismatch,
    },
    /// A network that does not say what size of images it was trained on.
    #[error(
        "{}: the size of its images stands nowhere: say it by `Checkpoint::with_size`",
        path.display()
    )]
    NoSize {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A network that its configuration does not describe.
    #[error("the network is not the one that its configuration describes: {message}")]
    Described {
        /// The first difference.
        message: String,
    },
    /// A way to tell the level that the network cannot take.
    #[error("{message}")]
    Told {
        /// What does not fit.
        message: String,
    },
    /// An image size that is 0 or that the network's patches do not fill.
    #[error(
        "images of {}×{} pixels: height and width have to be multiples of {patch} and at least {least}",
        size[0], size[1]
    )]
    Size {
        /// Height and width.
        size: [usize; 2],
        /// What they have to be multiples of.
        patch: usize,
        /// What they have to be at least.
        least: usize,
    },
    /// Channels of images that the network does not have.
    #[error(
        "images of {channels} channels, for a network of {input} inputs and {output} outputs: \
         inputs are at least the channels, outputs as many, or twice as many with a learned variance"
    )]
    Channels {
        /// Channels of the images.
        channels: usize,
        /// Channels in.
        input: usize,
        /// Channels out.
        output: usize,
    },
    /// A model of a kind that a layout cannot hold.
    #[error("{layout} has no place for {what}")]
    Inexpressible {
        /// The layout.
        layout: &'static str,
        /// What it cannot hold.
        what: String,
    },
}

/// How the tensors of a file differ from those of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Tensors that are missing, each with the unexpected name nearest to it.
    pub missing: Vec<(String, Option<String>)>,
    /// Tensors that the network does not have.
    pub unexpected: Vec<String>,
    /// Tensors of another shape or type.
    pub misshapen: Vec<Misshapen>,
}

/// A tensor of another shape or type than its network's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// Its name.
    pub name: String,
    /// What the network has.
    pub expected: String,
    /// What the file has.
    pub found: String,
}

impl Mismatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = self.missing.iter().map(|(name, nearest)| match nearest {
            Some(nearest) => format!("{name} (is it {nearest}?)"),
            None => name.clone(),
        });
        let misshapen = self.misshapen.iter().map(|wrong| {
            let Misshapen {
                name,
                expected,
                found,
            } = wrong;
            format!("{name} ({found} instead of {expected})")
        });
        let lists = [
            ("missing", missing.collect::<Vec<_>>()),
            ("unexpected", self.unexpected.clone()),
            ("misshapen", misshapen.collect()),
        ];
        let lists = lists.iter().filter(|(_, list)| !list.is_empty());
        // The first of many are enough to see what is wrong.
        let lists = lists.map(|(what, list)| {
            let shown = list.len().min(SHOWN);
            let more = match list.len() - shown {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{} {what}: {}{more}", list.len(), list[..shown].join(", "))
        });
        f.write_str(&lists.collect::<Vec<_>>().join("; "))
    }
}

/// How many names of a kind a message lists; the error itself has them all.
const SHOWN: usize = 50;
