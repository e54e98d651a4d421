//! One image file to a tensor and back.

use crate::decode::decode;
use crate::{ImageError, Picture, ValueRange};
use burn::tensor::{Device, Tensor, TensorData};
use std::path::Path;

/// Reads a PNG or JPEG file as `[1, channels, height, width]` in the given range: 1 channel for a
/// grey file, 3 for colour; transparency is dropped. An image that its Exif data turn is turned.
///
/// # Errors
/// [`ImageError::File`] or [`ImageError::Format`] names the file: it cannot be read, is no image,
/// is cut off, or has more than 2²⁶ pixels.
pub fn load(
    path: impl AsRef<Path>,
    range: ValueRange,
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
    Ok(ValueRange::Unit.convert(range, unit))
}

/// Interleaved 16-bit values to planes in `[0, 1]`.
fn planes(raw: &[u16], channels: usize) -> Vec<f32> {
    let plane = |c: usize| raw.iter().skip(c).step_by(channels);
    let values = (0..channels).flat_map(plane);
    values
        .map(|&v| f32::from(v) / f32::from(u16::MAX))
        .collect()
}

/// The bytes of a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ImageError> {
    tweedie_core::read_file(path, limit).map_err(|source| ImageError::File {
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

/// `Ok` for a path that ends in `.extension`, in either case.
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

/// Writes one image, `[1, channels, height, width]`, as a PNG file of 8 bits a value, grey for one
/// channel and RGB for three; values beyond the range are cut. The file appears whole or not at
/// all.
///
/// # Errors
/// [`ImageError::Batch`], [`ImageError::Channels`], [`ImageError::NoPixels`] or
/// [`ImageError::NotFinite`] for what is not such an image; [`ImageError::Extension`] for a path
/// that does not end in `.png`; [`ImageError::File`].
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
