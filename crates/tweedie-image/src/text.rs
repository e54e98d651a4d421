//! Text labels on pictures.

use crate::{ImageError, Picture};
use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

/// The typeface of all labels.
pub(crate) const FONT: &[u8] = epaint_default_fonts::HACK_REGULAR;

/// The height of a line in pixels.
pub(crate) const LINE: u32 = 16;

const SIZE: f32 = 14.0;

fn font() -> Result<FontRef<'static>, ImageError> {
    FontRef::try_from_slice(FONT).map_err(|error| ImageError::Drawing(error.to_string()))
}

/// The width of a label in pixels.
pub(crate) fn width(label: &str) -> Result<u32, ImageError> {
    let font = font()?;
    let scaled = font.as_scaled(PxScale::from(SIZE));
    let advance = |c| scaled.h_advance(font.glyph_id(c));
    Ok(label.chars().map(advance).sum::<f32>().ceil() as u32)
}

/// Draws a label in black with its upper left corner at `(x, y)`.
pub(crate) fn draw(picture: &mut Picture, x: u32, y: u32, label: &str) -> Result<(), ImageError> {
    let font = font()?;
    let scaled = font.as_scaled(PxScale::from(SIZE));
    let (mut pen, baseline) = (x as f32, y as f32 + scaled.ascent());
    for c in label.chars() {
        let id = font.glyph_id(c);
        let glyph = id.with_scale_and_position(SIZE, point(pen, baseline));
        pen += scaled.h_advance(id);
        let Some(outline) = font.outline_glyph(glyph) else {
            continue;
        };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, coverage| {
            let place = (corner.x + dx as f32, corner.y + dy as f32);
            if let Some(pixel) = picture.get_pixel_mut_checked(place.0 as u32, place.1 as u32) {
                for channel in &mut pixel.0 {
                    *channel = (f32::from(*channel) * (1.0 - coverage)) as u8;
                }
            }
        });
    }
    Ok(())
}
