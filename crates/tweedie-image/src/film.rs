//! Film strips and animations of a chain of images.

use crate::files::{expect_extension, write};
use crate::picture::canvas;
use crate::sheet::enlarge;
use crate::{ImageError, Sheet, ValueRange, grid, pictures};
use burn::tensor::Tensor;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame};
use std::path::Path;
use std::time::Duration;

/// Returns a film strip: a column per moment, a row per image of the batch, labels on top.
///
/// # Errors
/// [`ImageError::Channels`] for images that are neither grey nor RGB.
///
/// # Panics
/// If the moments differ in shape.
pub fn film_strip(
    moments: &[(String, Tensor<4>)],
    range: ValueRange,
    scale: usize,
) -> Result<Sheet, ImageError> {
    let batch = moments.first().map_or(0, |(_, x)| x.dims()[0]);
    let labels = moments.iter().map(|(label, _)| label.clone());
    let mut sheet = Sheet::new().with_scale(scale).with_columns(labels);
    for i in 0..batch {
        let row = moments.iter().map(|(_, x)| x.clone().narrow(0, i, 1));
        sheet = sheet.with_row("", Tensor::cat(row.collect(), 0), range)?;
    }
    Ok(sheet)
}

/// Writes an animated GIF with one frame per moment. It loops forever.
///
/// Each frame is a grid of the moment's batch with `columns` columns, enlarged by `scale` and shown
/// for `pause`. An existing file is replaced atomically.
///
/// # Errors
/// [`ImageError::Extension`] for a path that does not end in `.gif`; [`ImageError::Channels`] for
/// images that are neither grey nor RGB; [`ImageError::Drawing`] if `moments` is empty or a frame
/// cannot be drawn; [`ImageError::File`] if the file cannot be written.
pub fn save_gif(
    path: impl AsRef<Path>,
    moments: &[Tensor<4>],
    range: ValueRange,
    columns: usize,
    scale: usize,
    pause: Duration,
) -> Result<(), ImageError> {
    expect_extension(path.as_ref(), "gif")?;
    if moments.is_empty() {
        return Err(ImageError::Drawing("no moments".into()));
    }
    let drawing = |error: image::ImageError| ImageError::Drawing(error.to_string());
    let mut bytes = Vec::new();
    {
        let mut encoder = GifEncoder::new(&mut bytes);
        encoder.set_repeat(Repeat::Infinite).map_err(drawing)?;
        for moment in moments {
            let single = moment.dims()[0] == 1;
            let picture = match pictures(moment.clone(), range)?.pop() {
                Some(picture) if single => {
                    let scale = u32::try_from(scale.max(1)).unwrap_or(u32::MAX);
                    let side = |side: u32| u64::from(side) * u64::from(scale);
                    canvas(side(picture.width()), side(picture.height()))?;
                    enlarge(&picture, scale)
                }
                _ => grid(moment.clone(), range, columns)?
                    .with_scale(scale)
                    .draw()?,
            };
            let frame = DynamicImage::ImageRgb8(picture).into_rgba8();
            let delay = Delay::from_saturating_duration(pause);
            let frame = Frame::from_parts(frame, 0, 0, delay);
            encoder.encode_frame(frame).map_err(drawing)?;
        }
    }
    write(path.as_ref(), &bytes)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use image::AnimationDecoder;

    #[test]
    fn an_animation_comes_back() {
        let device = Device::flex();
        let moments = [0.0, 0.5, 1.0].map(|v| Tensor::<4>::full([1, 1, 4, 4], v, &device));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("film.gif");
        save_gif(
            &path,
            &moments,
            ValueRange::Unit,
            1,
            2,
            Duration::from_millis(50),
        )
        .expect("a file");
        let file = std::io::BufReader::new(std::fs::File::open(&path).expect("the file"));
        let decoder = image::codecs::gif::GifDecoder::new(file).expect("a GIF");
        let frames = decoder.into_frames().collect_frames().expect("frames");
        let first = |frame: &Frame| frame.buffer().get_pixel(7, 7).0[0];
        assert_eq!(frames.iter().map(first).collect::<Vec<_>>(), [0, 128, 255]);
        let strip = film_strip(&moments.map(|x| ("t".to_owned(), x)), ValueRange::Unit, 4);
        assert!(
            strip
                .and_then(|strip| strip.draw())
                .expect("a strip")
                .width()
                > 48
        );
    }
}
