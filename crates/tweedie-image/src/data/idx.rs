//! IDX files, the format of MNIST: a header, then bytes, optionally gzipped.

use super::Images;
use crate::ImageError;
use crate::decode::read;
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::path::Path;

/// The maximum size of a file in bytes, also when unpacked.
const LIMIT: u64 = 1 << 30;

impl Images {
    /// Reads grey images from an IDX file (`…-images-idx3-ubyte`), optionally gzipped.
    ///
    /// # Errors
    /// [`ImageError::File`] or [`ImageError::Format`] names the file and what is wrong with it.
    pub fn idx(path: impl AsRef<Path>) -> Result<Self, ImageError> {
        let path = path.as_ref();
        Self::from_idx(path, read(path, LIMIT)?)
    }

    /// Adds the classes from an IDX file of labels (`…-labels-idx1-ubyte`), optionally gzipped.
    ///
    /// # Errors
    /// As [`idx`](Self::idx), and if the number of labels is not that of the images.
    pub fn with_idx_labels(self, path: impl AsRef<Path>) -> Result<Self, ImageError> {
        let path = path.as_ref();
        self.with_labels_from(path, read(path, LIMIT)?)
    }

    pub(super) fn from_idx(path: &Path, bytes: Vec<u8>) -> Result<Self, ImageError> {
        let bytes = unpack(path, bytes)?;
        let ([count, height, width], pixels) = parse::<3>(path, bytes)?;
        if count == 0 || height == 0 || width == 0 {
            return Err(wrong(
                path,
                format!("{count} images of {height}×{width} pixels"),
            ));
        }
        Ok(Self {
            pixels,
            white: u8::MAX,
            channels: 1,
            size: [height, width],
            labels: None,
        })
    }

    pub(super) fn with_labels_from(
        mut self,
        path: &Path,
        bytes: Vec<u8>,
    ) -> Result<Self, ImageError> {
        let bytes = unpack(path, bytes)?;
        let ([count], labels) = parse::<1>(path, bytes)?;
        if count != self.count() {
            let message = format!("{count} labels for {} images", self.count());
            return Err(wrong(path, message));
        }
        self.labels = Some(labels);
        Ok(self)
    }
}

fn wrong(path: &Path, message: String) -> ImageError {
    ImageError::Format {
        path: path.into(),
        message,
    }
}

/// Unpacks all members of a gzip file. Other bytes are returned unchanged.
fn unpack(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, ImageError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes.as_slice()).take(LIMIT + 1);
    let read = reader.read_to_end(&mut unpacked);
    let read = read.map_err(|error| wrong(path, format!("not a whole gzip file: {error}")))?;
    if read as u64 > LIMIT {
        return Err(wrong(path, format!("unpacks to more than {LIMIT} bytes")));
    }
    Ok(unpacked)
}

/// Splits an IDX file of `N` dimensions into its sizes and its bytes.
fn parse<const N: usize>(
    path: &Path,
    mut bytes: Vec<u8>,
) -> Result<([usize; N], Vec<u8>), ImageError> {
    let word = |i: usize| {
        let word = bytes.get(4 * i..4 * i + 4)?;
        word.try_into().ok().map(u32::from_be_bytes)
    };
    let magic = 0x0800 + N as u32;
    if word(0) != Some(magic) {
        let found = word(0).map_or("too few bytes".into(), |word| format!("{word:#06x}"));
        return Err(wrong(
            path,
            format!("not an IDX file of bytes: expected {magic:#06x}, got {found}"),
        ));
    }
    let mut sizes = [0; N];
    for (i, size) in sizes.iter_mut().enumerate() {
        let Some(word) = word(i + 1) else {
            return Err(wrong(path, "the header is cut off".into()));
        };
        *size = word as usize;
    }
    bytes.drain(..4 * (N + 1));
    let expected = sizes
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size));
    if expected != Some(bytes.len()) {
        let message = format!(
            "the header says {sizes:?}, but {} bytes follow",
            bytes.len()
        );
        return Err(wrong(path, message));
    }
    Ok((sizes, bytes))
}
