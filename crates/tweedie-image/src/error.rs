//! What can be wrong with an image or a data set.

use std::path::PathBuf;

/// Why an image or a data set could not be read, made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file that could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("{}: {message}", path.display())]
    Format {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A folder without images.
    #[error("{}: no .png, .jpg or .jpeg files in this folder", path.display())]
    Empty {
        /// Which one.
        path: PathBuf,
    },
    /// Images of different sizes where one is needed.
    #[error(
        "{}: {} pixels, expected {} as of {}",
        path.display(), size(*found), size(*expected), first.display()
    )]
    Size {
        /// The image that differs.
        path: PathBuf,
        /// Its width and height.
        found: [usize; 2],
        /// The width and height expected.
        expected: [usize; 2],
        /// From where they are known.
        first: PathBuf,
    },
    /// A height or width of 0 was asked for.
    #[error("an image has at least 1×1 pixels, {}×{} were asked for", size[0], size[1])]
    NoPixels {
        /// Height and width.
        size: [usize; 2],
    },
    /// An array of another number of dimensions.
    #[error("an array of shape {found:?}, expected {expected} dimensions")]
    Dimensions {
        /// Its shape.
        found: Vec<usize>,
        /// How many dimensions it has to have.
        expected: usize,
    },
    /// A tensor with neither 1 nor 3 channels.
    #[error("an image has 1 or 3 channels, got {channels}")]
    Channels {
        /// How many it has.
        channels: usize,
    },
    /// Not one image, where a file takes one.
    #[error("a file takes one image, got a batch of {found}")]
    Batch {
        /// How many there are.
        found: usize,
    },
    /// A value that no picture can show.
    #[error("a picture needs finite values, got {value}")]
    NotFinite {
        /// The value.
        value: f32,
    },
    /// A file name that says another format than is written.
    #[error("{}: the file name has to end in .{expected}, the format that is written", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
        /// What it has to end in.
        expected: &'static str,
    },
    /// An image that a set does not have.
    #[error("image {index} of a set of {count}")]
    Index {
        /// Which one was asked for, from 0.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A picture that could not be drawn or encoded.
    #[error("drawing: {0}")]
    Drawing(String),
}

fn size([width, height]: [usize; 2]) -> String {
    format!("{width}×{height}")
}
