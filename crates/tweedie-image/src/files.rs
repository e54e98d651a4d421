//! Image files to tensors and back.

use crate::decode::{decode, unit_planes};
use crate::{ImageError, Picture, ValueRange};
use burn::tensor::{Device, Tensor, TensorData};
use std::path::Path;

/// Reads a PNG, JPEG, WebP or TIFF file as `[1, channels, height, width]` in the given value range.
///
/// A grey file has 1 channel, a colour file 3; transparency is dropped. The Exif orientation is
/// applied.
///
/// # Errors
/// [`ImageError::File`] if the file cannot be read; [`ImageError::Format`] if it is not such
/// an image, is truncated, or has more than 2²⁶ pixels.
pub fn load(
    path: impl AsRef<Path>,
    range: ValueRange,
    device: &Device,
) -> Result<Tensor<4>, ImageError> {
    let image = decode(path.as_ref())?;
    let channels = if image.color().has_color() { 3 } else { 1 };
    let shape = [1, channels, image.height() as usize, image.width() as usize];
    let values = TensorData::new(unit_planes(&image, channels), shape);
    Ok(ValueRange::Unit.convert(range, Tensor::from_data(values, device)))
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    tweedie_core::replace_file(path, bytes).map_err(|source| ImageError::File {
        path: path.into(),
        source,
    })
}

/// Checks that a path ends in `.extension`, ignoring case.
pub(crate) fn expect_extension(path: &Path, extension: &'static str) -> Result<(), ImageError> {
    let found = path.extension().unwrap_or_default();
    match found.eq_ignore_ascii_case(extension) {
        true => Ok(()),
        false => Err(ImageError::Extension {
            path: path.into(),
            expected: extension,
        }),
    }
}

/// Writes one image `[1, channels, height, width]` as a PNG file with 8 bits per value.
///
/// The file is grey for 1 channel and RGB for 3. Values outside `range` are clamped. An existing
/// file is replaced atomically.
///
/// # Errors
/// [`ImageError::Batch`], [`ImageError::Channels`], [`ImageError::NoPixels`] or
/// [`ImageError::NotFinite`] if `x` is not such an image; [`ImageError::Extension`] for a path that
/// does not end in `.png`; [`ImageError::File`] if the file cannot be written.
pub fn save(path: impl AsRef<Path>, x: Tensor<4>, range: ValueRange) -> Result<(), ImageError> {
    let path = path.as_ref();
    let [batch, channels, height, width] = x.dims();
    if batch != 1 {
        return Err(ImageError::Batch { found: batch });
    }
    if channels != 1 {
        return match crate::pictures(x, range)?.pop() {
            Some(picture) => save_png(path, &picture),
            None => Err(ImageError::Batch { found: 0 }),
        };
    }
    let values = crate::picture::bytes(x, range)?;
    let Some(grey) = image::GrayImage::from_raw(width as u32, height as u32, values) else {
        return Err(ImageError::Drawing(
            "more pixels than a file can have".into(),
        ));
    };
    encode_png(path, |bytes| grey.write_to(bytes, image::ImageFormat::Png))
}

pub(crate) fn save_png(path: &Path, picture: &Picture) -> Result<(), ImageError> {
    encode_png(path, |bytes| {
        picture.write_to(bytes, image::ImageFormat::Png)
    })
}

fn encode_png(
    path: &Path,
    encode: impl FnOnce(&mut std::io::Cursor<Vec<u8>>) -> image::ImageResult<()>,
) -> Result<(), ImageError> {
    expect_extension(path, "png")?;
    let mut bytes = std::io::Cursor::new(Vec::new());
    encode(&mut bytes).map_err(|error| ImageError::Drawing(error.to_string()))?;
    write(path, bytes.get_ref())
}
