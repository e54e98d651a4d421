//! Errors of images and data sets.

use std::path::PathBuf;

/// Why an image or a data set could not be read, made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file that could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// A file with the wrong format or content.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The reason.
        message: String,
    },
    /// A folder without images.
    #[error("{}: no images in this folder: PNG, JPEG, WebP, TIFF or npy", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Images of different sizes in a set that needs one size.
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
        /// The image that has the expected size.
        first: PathBuf,
    },
    /// A height or width of 0.
    #[error("an image has at least 1×1 pixels, {}×{} were asked for", size[0], size[1])]
    NoPixels {
        /// Height and width.
        size: [usize; 2],
    },
    /// An array with the wrong number of dimensions.
    #[error("an array of shape {found:?}, expected {expected} dimensions")]
    Dimensions {
        /// Its shape.
        found: Vec<usize>,
        /// The expected number of dimensions.
        expected: usize,
    },
    /// A tensor with neither 1 nor 3 channels.
    #[error("an image has 1 or 3 channels, got {channels}")]
    Channels {
        /// The number of channels.
        channels: usize,
    },
    /// A batch of more or fewer images than the one that a file takes.
    #[error("a file takes one image, got a batch of {found}")]
    Batch {
        /// The number of images.
        found: usize,
    },
    /// A value that is not finite.
    #[error("a picture needs finite values, got {value}")]
    NotFinite {
        /// The value.
        value: f32,
    },
    /// A file name with the extension of another format.
    #[error("{}: the file name has to end in .{expected}, the format that is written", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
        /// The expected extension.
        expected: &'static str,
    },
    /// An index beyond the end of a set.
    #[error("image {index} of a set of {count}")]
    Index {
        /// The index, counted from 0.
        index: usize,
        /// The number of images.
        count: usize,
    },
    /// A picture that could not be drawn or encoded.
    #[error("drawing: {0}")]
    Drawing(String),
}

fn size([width, height]: [usize; 2]) -> String {
    format!("{width}×{height}")
}
