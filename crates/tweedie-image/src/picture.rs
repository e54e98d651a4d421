//! Tensors as 8-bit pictures.

use crate::{ImageError, ValueRange};
use burn::tensor::Tensor;

/// An RGB picture with 8 bits per channel.
pub type Picture = image::RgbImage;

/// The maximum number of pixels of a picture: 8,192 squared.
pub(crate) const MOST_PIXELS: u64 = 1 << 26;

/// Checks that a picture to draw has at most `MOST_PIXELS` pixels and returns its size.
pub(crate) fn canvas(width: u64, height: u64) -> Result<(u32, u32), ImageError> {
    let few = width
        .checked_mul(height)
        .is_some_and(|pixels| pixels <= MOST_PIXELS);
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width), Ok(height)) if few => Ok((width, height)),
        _ => Err(ImageError::Drawing(format!(
            "{width}×{height} pixels, of which at most {MOST_PIXELS} are drawn"
        ))),
    }
}

/// Converts a batch of images `[batch, 1 | 3, height, width]` to pictures.
///
/// Values outside `range` are clamped.
///
/// # Errors
/// [`ImageError::Channels`] for another number of channels, [`ImageError::NoPixels`] for a height
/// or width of 0, [`ImageError::NotFinite`] for a value that is not a finite number.
pub fn pictures(x: Tensor<4>, range: ValueRange) -> Result<Vec<Picture>, ImageError> {
    let [batch, channels, height, width] = x.dims();
    let values = bytes(x, range)?;
    let plane = height * width;
    let value = |b: usize, c: usize, place: usize| {
        values[(b * channels + c.min(channels - 1)) * plane + place]
    };
    let picture = |b: usize| {
        Picture::from_fn(width as u32, height as u32, |x, y| {
            let place = y as usize * width + x as usize;
            image::Rgb([0, 1, 2].map(|c| value(b, c, place)))
        })
    };
    Ok((0..batch).map(picture).collect())
}

/// Converts the values of a batch of images to 8 bits.
pub(crate) fn bytes(x: Tensor<4>, range: ValueRange) -> Result<Vec<u8>, ImageError> {
    let [_, channels, height, width] = x.dims();
    if channels != 1 && channels != 3 {
        return Err(ImageError::Channels { channels });
    }
    if height == 0 || width == 0 {
        let size = [height, width];
        return Err(ImageError::NoPixels { size });
    }
    let unit = range.convert(ValueRange::Unit, x).into_data();
    let byte = |value: f32| match value.is_finite() {
        true => Ok((value.clamp(0.0, 1.0) * 255.0).round() as u8),
        false => Err(ImageError::NotFinite { value }),
    };
    unit.iter::<f32>().map(byte).collect()
}
