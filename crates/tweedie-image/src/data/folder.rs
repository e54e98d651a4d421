//! A folder of PNG and JPEG files of one size.

use super::Images;
use crate::ImageError;
use crate::decode::{decode, grey};
use crate::picture::canvas;
use image::DynamicImage;
use image::imageops::FilterType;
use std::path::{Path, PathBuf};

impl Images {
    /// Reads all PNG and JPEG files of a folder, in the order of their names.
    ///
    /// `channels` is 1 for grey, by the weights [`tweedie_core::LUMA`], or 3 for RGB. The Exif
    /// orientation is applied. With `size` (height and width), each image is cropped around its
    /// centre to that aspect ratio and scaled. Without `size`, all images must have the same size.
    ///
    /// # Errors
    /// [`ImageError`] if `channels` or `size` is invalid, if the folder cannot be read or has no
    /// images, if a file cannot be decoded, or if its size differs from the first. It names the
    /// folder or the file.
    pub fn folder(
        path: impl AsRef<Path>,
        channels: usize,
        size: Option<[usize; 2]>,
    ) -> Result<Self, ImageError> {
        let path = path.as_ref();
        if channels != 1 && channels != 3 {
            return Err(ImageError::Channels { channels });
        }
        if let Some([height, width]) = size {
            if height == 0 || width == 0 {
                let size = [height, width];
                return Err(ImageError::NoPixels { size });
            }
            canvas(width as u64, height as u64)?;
        }
        let files = image_files(path)?;
        let mut pixels = Vec::new();
        let mut expected = size.map(|[height, width]| ([width, height], PathBuf::new()));
        for file in files {
            let mut image = decode(&file)?;
            if let Some([height, width]) = size {
                image = fitted(&image, [width as u32, height as u32]);
            }
            let found = [image.width() as usize, image.height() as usize];
            let (expected, first) = expected.get_or_insert_with(|| (found, file.clone()));
            if *expected != found {
                return Err(ImageError::Size {
                    path: file,
                    found,
                    expected: *expected,
                    first: first.clone(),
                });
            }
            if channels == 1 {
                pixels.extend(grey(&image));
            } else {
                let rgb = image.to_rgb8();
                for c in 0..3 {
                    pixels.extend(rgb.as_raw().iter().skip(c).step_by(3));
                }
            }
        }
        let [width, height] = expected.map_or([0, 0], |(size, _)| size);
        Ok(Self {
            pixels,
            white: u8::MAX,
            channels,
            size: [height, width],
            labels: None,
        })
    }
}

/// Crops an image around its centre to the aspect ratio of `[width, height]` and scales it to that
/// size.
fn fitted(image: &DynamicImage, [width, height]: [u32; 2]) -> DynamicImage {
    let (w, h) = (u64::from(image.width()), u64::from(image.height()));
    let (width_wanted, height_wanted) = (u64::from(width), u64::from(height));
    // The crop is as wide as the height allows, or as high as the width allows.
    let round = |a: u64, b: u64, by: u64| ((2 * a * b + by) / (2 * by)).max(1);
    let cut_w = round(h, width_wanted, height_wanted).min(w);
    let cut_h = round(w, height_wanted, width_wanted).min(h);
    let (left, top) = ((w - cut_w) / 2, (h - cut_h) / 2);
    let part = image.crop_imm(left as u32, top as u32, cut_w as u32, cut_h as u32);
    part.resize_exact(width, height, FilterType::CatmullRom)
}

fn image_files(folder: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let file = |source| ImageError::File {
        path: folder.into(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(file)? {
        let path = entry.map_err(file)?.path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if ["png", "jpg", "jpeg"]
            .iter()
            .any(|known| extension == *known)
        {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(ImageError::Empty {
            path: folder.into(),
        });
    }
    files.sort();
    Ok(files)
}
