//! Tensors as 8-bit pictures.

use crate::{ImageError, Range};
use burn::tensor::Tensor;

/// An RGB picture of 8 bits a channel.
pub type Picture = image::RgbImage;

/// The images of a batch, `[batch, 1 | 3, height, width]`, as pictures; values beyond the range are
/// cut.
///
/// # Errors
/// [`ImageError::Channels`] for another number of channels.
pub fn pictures(x: Tensor<4>, range: Range) -> Result<Vec<Picture>, ImageError> {
    let [batch, channels, height, width] = x.dims();
    if channels != 1 && channels != 3 {
        return Err(ImageError::Channels { channels });
    }
    let unit = range.convert(Range::Unit, x).clamp(0.0, 1.0) * 255.0;
    let values: Vec<f32> = unit.into_data().iter::<f32>().collect();
    let plane = height * width;
    let value = |b: usize, c: usize, place: usize| {
        values[(b * channels + c.min(channels - 1)) * plane + place].round() as u8
    };
    let picture = |b: usize| {
        Picture::from_fn(width as u32, height as u32, |x, y| {
            let place = y as usize * width + x as usize;
            image::Rgb([0, 1, 2].map(|c| value(b, c, place)))
        })
    };
    Ok((0..batch).map(picture).collect())
}
