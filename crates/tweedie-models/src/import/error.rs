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
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A directory or file in no known layout, or without a required part.
    #[error("{}: {message}", path.display())]
    Unknown {
        /// The directory or file.
        path: PathBuf,
        /// What is missing or wrong.
        message: String,
    },
    /// A configuration that is not valid JSON, or of unexpected structure.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause, with its position.
        source: serde_json::Error,
    },
    /// A configuration field with an unsupported value.
    #[error("{}: {field}: {message}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The name of the field.
        field: String,
        /// The value found, and the supported ones.
        message: String,
    },
    /// Unknown configuration fields, which may change the result.
    #[error("{}: unknown fields, which may change the result: {}", path.display(), fields.join(", "))]
    UnknownFields {
        /// The file.
        path: PathBuf,
        /// Names and values of the fields.
        fields: Vec<String>,
    },
    /// An invalid configuration of a network.
    #[error("{}: {source}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: NetworkError,
    },
    /// A schedule or a prediction with a parameter outside its range.
    #[error("{}: {source}", path.display())]
    Schedule {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: tweedie_math::ScheduleError,
    },
    /// A broken tensor file: truncated, malicious, or not of the type that its name says.
    #[error("{}: {message}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        message: String,
    },
    /// A pickle that contains code, which is never executed.
    #[error(
        "{}: this pickle carries program code, which is not run here; in Python, load it with the \
         code it came with and write its weights with \
         safetensors.torch.save_file(net.state_dict(), \"model.safetensors\")",
        path.display()
    )]
    Code {
        /// The file.
        path: PathBuf,
    },
    /// Tensors that do not match the network.
    #[error("{}: not the weights of this network: {mismatch}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// Every tensor that is missing, unexpected or misshapen.
        mismatch: Mismatch,
    },
    /// A checkpoint that does not record the size of its training images.
    #[error(
        "{}: the checkpoint does not record the size of its images: set it with `Checkpoint::with_size`",
        path.display()
    )]
    NoSize {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A network that does not match its configuration.
    #[error("the network is not the one that its configuration describes: {message}")]
    Described {
        /// The first difference.
        message: String,
    },
    /// A time input that the network does not support, or an invalid clip.
    #[error("{message}")]
    Sampling {
        /// What is wrong.
        message: String,
    },
    /// An image size that the network does not support.
    #[error(
        "images of {}×{} pixels: height and width have to be multiples of {patch} and at least {least}",
        size[0], size[1]
    )]
    Size {
        /// Height and width.
        size: [usize; 2],
        /// The number that height and width have to be multiples of.
        patch: usize,
        /// The smallest height and width.
        least: usize,
    },
    /// A number of image channels that does not match the network.
    #[error(
        "images of {channels} channels, for a network of {input} inputs and {output} outputs: \
         inputs are at least the channels, outputs as many, or twice as many with a learned variance"
    )]
    Channels {
        /// Channels of the images.
        channels: usize,
        /// Input channels of the network.
        input: usize,
        /// Output channels of the network.
        output: usize,
    },
    /// A model that a layout cannot represent.
    #[error("{layout} cannot represent {what}")]
    Inexpressible {
        /// The layout.
        layout: &'static str,
        /// What the layout cannot represent.
        what: String,
    },
}

/// How the tensors of a file differ from those of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Missing tensors, each with the most similar unexpected name, if one is close.
    pub missing: Vec<(String, Option<String>)>,
    /// Tensors that the network does not have.
    pub unexpected: Vec<String>,
    /// Tensors of the wrong shape or type.
    pub misshapen: Vec<Misshapen>,
}

/// A tensor whose shape or type differs from the network's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// The name of the tensor.
    pub name: String,
    /// The shape in the network.
    pub expected: String,
    /// The type and shape in the file.
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
        // The first names are enough to see what is wrong.
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

/// Maximum number of names in each list of a message; the error itself holds all.
const SHOWN: usize = 50;
