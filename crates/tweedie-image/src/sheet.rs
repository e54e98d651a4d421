//! Contact sheets: pictures in rows and columns, with labels.

use crate::files::save_png;
use crate::picture::canvas;
use crate::text::{self, LINE};
use crate::{ImageError, Picture, ValueRange, pictures};
use burn::tensor::Tensor;
use std::path::Path;

/// A contact sheet: rows of pictures with labels, on white.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_image::{ValueRange, Sheet};
///
/// let x = Tensor::<4>::zeros([3, 1, 8, 8], &Device::flex());
/// let sheet = Sheet::new()
///     .with_scale(4)
///     .with_columns(["first", "second", "third"])
///     .with_row("zeros", x, ValueRange::Signed)?;
/// assert!(sheet.draw()?.width() > 3 * 32);
/// # Ok::<(), tweedie_image::ImageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sheet {
    scale: u32,
    panels: usize,
    columns: Vec<String>,
    rows: Vec<SheetRow>,
}

#[derive(Clone, Debug)]
struct SheetRow {
    label: String,
    pictures: Vec<Picture>,
    /// A line of text below each picture; empty without captions.
    captions: Vec<String>,
}

impl SheetRow {
    fn height(&self, scale: u32) -> u32 {
        let tallest = self.pictures.iter().map(|p| p.height() * scale).max();
        let captions = if self.captions.is_empty() { 0 } else { LINE };
        tallest.unwrap_or(0).max(LINE) + captions
    }
}

impl Default for Sheet {
    fn default() -> Self {
        Self::new()
    }
}

const GAP: u32 = 4;

impl Sheet {
    /// Creates an empty sheet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            scale: 1,
            panels: 1,
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Enlarges every pixel to `scale × scale`.
    #[must_use]
    pub fn with_scale(mut self, scale: usize) -> Self {
        self.scale = u32::try_from(scale.max(1)).unwrap_or(u32::MAX);
        self
    }

    /// Splits the rows into `panels` panels side by side, each with the column labels.
    #[must_use]
    pub fn with_panels(mut self, panels: usize) -> Self {
        self.panels = panels.max(1);
        self
    }

    /// Sets the column labels, from the left.
    #[must_use]
    pub fn with_columns<L: Into<String>>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        self.columns = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a row: a label, which may be empty, and a batch of images.
    ///
    /// # Errors
    /// [`ImageError::Channels`] for images that are neither grey nor RGB.
    pub fn with_row(
        mut self,
        label: impl Into<String>,
        images: Tensor<4>,
        range: ValueRange,
    ) -> Result<Self, ImageError> {
        self.rows.push(SheetRow {
            label: label.into(),
            pictures: pictures(images, range)?,
            captions: Vec::new(),
        });
        Ok(self)
    }

    /// Sets a line of text below each picture of the last row.
    #[must_use]
    pub fn with_captions<L: Into<String>>(mut self, captions: impl IntoIterator<Item = L>) -> Self {
        if let Some(row) = self.rows.last_mut() {
            row.captions = captions.into_iter().map(Into::into).collect();
        }
        self
    }

    /// Draws the sheet.
    ///
    /// # Errors
    /// [`ImageError::Drawing`] if the typeface cannot be read, or if the sheet would have more than
    /// 2²⁶ pixels.
    pub fn draw(&self) -> Result<Picture, ImageError> {
        if self.panels > 1 && self.rows.len() > 1 {
            return self.draw_panels();
        }
        let all = || self.rows.iter().flat_map(|row| &row.pictures);
        let scale = u64::from(self.scale);
        let enlarged = |side: u32| u64::from(side) * scale;
        let area = |picture: &Picture| {
            enlarged(picture.width()).saturating_mul(enlarged(picture.height()))
        };
        let total = all().map(area).fold(0, u64::saturating_add);
        canvas(total, 1)?;
        let widest = all().map(|p| p.width() * self.scale).max().unwrap_or(0);
        let captions = self.rows.iter().flat_map(|row| &row.captions);
        let cell = self
            .columns
            .iter()
            .chain(captions)
            .map(|label| text::width(label))
            .try_fold(widest, |widest, width| width.map(|width| widest.max(width)))?;
        let margin = self
            .rows
            .iter()
            .filter(|row| !row.label.is_empty())
            .map(|row| text::width(&row.label).map(|width| width + 2 * GAP))
            .try_fold(0, |widest, width| width.map(|width| widest.max(width)))?;
        let header = if self.columns.is_empty() {
            0
        } else {
            LINE + GAP
        };
        let count = self
            .rows
            .iter()
            .map(|row| row.pictures.len())
            .max()
            .unwrap_or(0) as u32;
        let count = count.max(self.columns.len() as u32);
        let height: u32 = self
            .rows
            .iter()
            .map(|row| row.height(self.scale) + GAP)
            .sum();
        let width = margin + GAP + count * (cell + GAP);
        let (width, height) = canvas(width.into(), (header + height + GAP).into())?;
        let mut sheet = Picture::from_pixel(width, height, image::Rgb([255; 3]));

        let left = |column: u32| margin + GAP + column * (cell + GAP);
        for (column, label) in (0..).zip(&self.columns) {
            text::draw(&mut sheet, left(column), GAP, label)?;
        }
        let mut top = header + GAP;
        for row in &self.rows {
            text::draw(&mut sheet, GAP, top, &row.label)?;
            for (column, picture) in (0..).zip(&row.pictures) {
                let large = enlarge(picture, self.scale);
                image::imageops::replace(&mut sheet, &large, left(column).into(), top.into());
            }
            let end = top + row.height(self.scale);
            for (column, caption) in (0..).zip(&row.captions) {
                text::draw(&mut sheet, left(column), end - LINE, caption)?;
            }
            top = end + GAP;
        }
        Ok(sheet)
    }

    fn draw_panels(&self) -> Result<Picture, ImageError> {
        let panel = |rows: &[SheetRow]| {
            let part = Self {
                panels: 1,
                columns: self.columns.clone(),
                rows: rows.to_vec(),
                ..*self
            };
            part.draw()
        };
        let parts = self.rows.chunks(self.rows.len().div_ceil(self.panels));
        let parts: Vec<Picture> = parts.map(panel).collect::<Result<_, _>>()?;
        let width = parts.iter().map(|part| part.width() + 2 * GAP).sum();
        let height = parts.iter().map(|part| part.height()).max().unwrap_or(0);
        let mut sheet = Picture::from_pixel(width, height, image::Rgb([255; 3]));
        let mut left = 0;
        for part in &parts {
            image::imageops::replace(&mut sheet, part, left.into(), 0);
            left += part.width() + 2 * GAP;
        }
        Ok(sheet)
    }

    /// Writes the sheet as a PNG file. An existing file is replaced atomically.
    ///
    /// # Errors
    /// [`ImageError::Drawing`] if the sheet cannot be drawn; [`ImageError::Extension`] for a path
    /// that does not end in `.png`; [`ImageError::File`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ImageError> {
        save_png(path.as_ref(), &self.draw()?)
    }
}

/// Creates a sheet without labels: the images of a batch in rows of `columns`.
///
/// # Errors
/// [`ImageError::Channels`] for images that are neither grey nor RGB.
pub fn grid(images: Tensor<4>, range: ValueRange, columns: usize) -> Result<Sheet, ImageError> {
    let pictures = pictures(images, range)?;
    let rows = pictures.chunks(columns.max(1));
    Ok(Sheet {
        rows: rows
            .map(|row| SheetRow {
                label: String::new(),
                pictures: row.to_vec(),
                captions: Vec::new(),
            })
            .collect(),
        ..Sheet::new()
    })
}

pub(crate) fn enlarge(picture: &Picture, scale: u32) -> Picture {
    Picture::from_fn(picture.width() * scale, picture.height() * scale, |x, y| {
        *picture.get_pixel(x / scale, y / scale)
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn pictures_and_labels_are_where_they_should_be() {
        let device = Device::flex();
        let black = Tensor::<4>::zeros([2, 1, 3, 3], &device);
        let sheet = grid(black.clone(), ValueRange::Unit, 1).expect("grey");
        let drawn = sheet.with_scale(2).draw().expect("a sheet");
        assert_eq!(drawn.dimensions(), (14, 44));
        assert_eq!(drawn.get_pixel(4, 4).0, [0; 3]);
        assert_eq!(drawn.get_pixel(9, 9).0, [0; 3]);
        assert_eq!(drawn.get_pixel(10, 4).0, [255; 3]);
        let folded = grid(black.clone(), ValueRange::Unit, 1).map(|sheet| sheet.with_panels(2));
        let folded = folded.and_then(|sheet| sheet.draw()).expect("a sheet");
        assert_eq!(folded.get_pixel(4, 4).0, [0; 3]);
        assert_eq!(folded.get_pixel(folded.width() / 2 + 4, 4).0, [0; 3]);
        let labelled = Sheet::new().with_row("word", black, ValueRange::Unit);
        let drawn = labelled.and_then(|sheet| sheet.draw()).expect("a sheet");
        let ink = drawn.pixels().filter(|pixel| pixel.0[0] < 128).count();
        assert!(ink > 18 + 20, "only {ink} dark pixels");
        let captioned = Sheet::new().with_row(
            "",
            Tensor::<4>::ones([1, 1, 3, 3], &device),
            ValueRange::Unit,
        );
        let drawn = captioned.map(|sheet| sheet.with_captions(["word"]).draw());
        let drawn = drawn.and_then(|drawn| drawn).expect("a sheet");
        assert!(drawn.pixels().any(|pixel| pixel.0[0] < 128), "no caption");
        let four = Tensor::<4>::zeros([1, 4, 3, 3], &device);
        assert!(matches!(
            grid(four, ValueRange::Unit, 1),
            Err(ImageError::Channels { channels: 4 })
        ));
    }
}
