//! One image file to a tensor and back.

use crate::{ImageError, Picture, Range, pictures};
use burn::tensor::{Device, Tensor, TensorData};
use std::path::Path;

/// Reads a PNG or JPEG file as `[1, channels, height, width]` in the given range: 1 channel for a
/// grey file, 3 for colour; transparency is dropped.
///
/// # Errors
/// [`ImageError::File`] or [`ImageError::Format`] names the file.
pub fn load(
    path: impl AsRef<Path>,
    range: Range,
    device: &Device,
) -> Result<Tensor<4>, ImageError> {
    let image = decode(path.as_ref())?;
    let channels = if image.color().has_color() { 3 } else { 1 };
    let (width, height) = (image.width() as usize, image.height() as usize);
    let values: Vec<f32> = if channels == 3 {
        planes(image.to_rgb16().as_raw(), 3)
    } else {
        planes(image.to_luma16().as_raw(), 1)
    };
    let shape = [1, channels, height, width];
    let unit = Tensor::from_data(TensorData::new(values, shape), device);
    Ok(Range::Unit.convert(range, unit))
}

/// Interleaved 16-bit values to planes in `[0, 1]`.
fn planes(raw: &[u16], channels: usize) -> Vec<f32> {
    let plane = |c: usize| raw.iter().skip(c).step_by(channels);
    let values = (0..channels).flat_map(plane);
    values
        .map(|&v| f32::from(v) / f32::from(u16::MAX))
        .collect()
}

pub(crate) fn decode(path: &Path) -> Result<image::DynamicImage, ImageError> {
    let bytes = read(path)?;
    image::load_from_memory(&bytes).map_err(|error| ImageError::Format {
        path: path.into(),
        message: error.to_string(),
    })
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    std::fs::read(path).map_err(|source| ImageError::File {
        path: path.into(),
        source,
    })
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    tweedie_core::replace_file(path, bytes).map_err(|source| ImageError::File {
        path: path.into(),
        source,
    })
}

/// Writes one image, `[1, channels, height, width]`, as a PNG file; values beyond the range are
/// cut. The file appears whole or not at all.
///
/// # Errors
/// [`ImageError::Channels`], or [`ImageError::File`].
///
/// # Panics
/// If the batch is not 1.
pub fn save(path: impl AsRef<Path>, x: Tensor<4>, range: Range) -> Result<(), ImageError> {
    assert_eq!(x.dims()[0], 1, "one image a file");
    match pictures(x, range)?.pop() {
        Some(picture) => save_png(path.as_ref(), &picture),
        None => Err(ImageError::Drawing("an empty batch".into())),
    }
}

pub(crate) fn save_png(path: &Path, picture: &Picture) -> Result<(), ImageError> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|error| ImageError::Drawing(error.to_string()))?;
    write(path, bytes.get_ref())
}
