//! `.npz` files with the arrays `images` and `labels`.

use super::Images;
use crate::{ImageError, Npz};
use burn::tensor::TensorData;
use std::path::Path;

impl Images {
    /// Reads images from a `.npz` file, with its feature `npy`.
    ///
    /// The array `images` holds bytes: `[count, height, width]`, `[count, height, width, channels]`
    /// or `[count, channels, height, width]`, with 1 or 3 channels. An array `labels`, `[count]`,
    /// is optional and holds the classes, from 0 to 255.
    ///
    /// # Errors
    /// [`ImageError::File`] or [`ImageError::Format`] names the file and what is wrong with it.
    pub fn npz(path: impl AsRef<Path>) -> Result<Self, ImageError> {
        let path = path.as_ref();
        let wrong = |message: String| ImageError::Format {
            path: path.into(),
            message,
        };
        let arrays = Npz::open(path)?;
        let missing = || wrong("no array \"images\"".into());
        let images = arrays.array("images").ok_or_else(missing)?;
        let (sizes, last) = match images.shape().to_vec()[..] {
            [count, height, width] => ([count, 1, height, width], false),
            [count, channels @ (1 | 3), height, width] => ([count, channels, height, width], false),
            [count, height, width, channels @ (1 | 3)] => ([count, channels, height, width], true),
            ref found => {
                let message =
                    format!("images of {found:?}, expected 3 axes, or 4 with 1 or 3 channels");
                return Err(wrong(message));
            }
        };
        let [count, channels, height, width] = sizes;
        if count == 0 || height == 0 || width == 0 {
            return Err(wrong(format!("{count} images of {height}×{width} pixels")));
        }
        let labels = arrays
            .array("labels")
            .map(bytes)
            .transpose()
            .map_err(wrong)?;
        let found = labels.as_ref().map_or(count, Vec::len);
        if found != count {
            return Err(wrong(format!("{found} labels for {count} images")));
        }
        let mut pixels = bytes(images).map_err(wrong)?;
        if last {
            let image = height * width * channels;
            let planes = |image: &[u8]| -> Vec<u8> {
                let plane = |c| image.iter().skip(c).step_by(channels);
                (0..channels).flat_map(plane).copied().collect()
            };
            pixels = pixels.chunks(image).flat_map(planes).collect();
        }
        Ok(Self {
            pixels,
            white: u8::MAX,
            channels,
            size: [height, width],
            labels,
        })
    }
}

/// Whole numbers from 0 to 255.
fn bytes(values: &TensorData) -> Result<Vec<u8>, String> {
    let byte = |value: f64| match (0.0..=255.0).contains(&value) && value.fract() == 0.0 {
        true => Ok(value as u8),
        false => Err(format!("{value}, expected whole numbers from 0 to 255")),
    };
    values.iter::<f64>().map(byte).collect()
}
