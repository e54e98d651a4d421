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
    /// A tensor with neither 1 nor 3 channels.
    #[error("an image has 1 or 3 channels, got {channels}")]
    Channels {
        /// How many it has.
        channels: usize,
    },
    /// A picture that could not be drawn or encoded.
    #[error("drawing: {0}")]
    Drawing(String),
}

fn size([width, height]: [usize; 2]) -> String {
    format!("{width}×{height}")
}
