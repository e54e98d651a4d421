//! Decodes PNG, JPEG, WebP and TIFF files and applies their Exif orientation.
//!
//! # Reference
//! ITU-T T.81 (JPEG), annex B, for the markers; Exif 2.32, tag 0x0112, for the orientation.

use crate::ImageError;
use crate::picture::MOST_PIXELS;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

/// The maximum size of an image file in bytes.
const MOST_BYTES: u64 = 1 << 28;

/// Reads an image file and applies its Exif orientation.
pub(crate) fn decode(path: &Path) -> Result<DynamicImage, ImageError> {
    decode_bytes(path, &read(path, MOST_BYTES)?)
}

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ImageError> {
    tweedie_core::read_file(path, limit).map_err(|source| ImageError::File {
        path: path.into(),
        source,
    })
}

pub(crate) fn decode_bytes(path: &Path, bytes: &[u8]) -> Result<DynamicImage, ImageError> {
    let wrong = |message: String| ImageError::Format {
        path: path.into(),
        message,
    };
    let decoding = |error: image::ImageError| wrong(error.to_string());
    let mut decoder = decoder(path, Cursor::new(bytes))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let is_jpeg = bytes.starts_with(&[0xff, 0xd8]);
    // The decoder silently fills missing data with grey.
    if is_jpeg && !jpeg_ends(bytes) {
        return Err(wrong("cut off: it has no end-of-image marker".into()));
    }
    // Every block of 8×8 pixels takes at least one bit.
    if is_jpeg && pixels.div_ceil(64) > 8 * bytes.len() as u64 {
        let length = bytes.len();
        let message = format!("{width}×{height} pixels do not fit into {length} bytes");
        return Err(wrong(message));
    }
    let orientation = decoder.orientation().map_err(decoding)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(decoding)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Whether a file is an array of NumPy.
pub(crate) fn is_npy(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    extension.eq_ignore_ascii_case("npy")
}

/// Height and width of an image file, with its Exif orientation, without decoding its pixels.
pub(crate) fn size_of(path: &Path) -> Result<[usize; 2], ImageError> {
    #[cfg(feature = "npy")]
    if is_npy(path) {
        let (shape, _) = crate::npy::floats(path)?;
        return Ok([shape[1], shape[2]]);
    }
    let wrong = |message: String| ImageError::Format {
        path: path.into(),
        message,
    };
    let unread = |source| ImageError::File {
        path: path.into(),
        source,
    };
    let file = tweedie_core::open_file(path).map_err(unread)?;
    let length = file.metadata().map_err(unread)?.len();
    if length > MOST_BYTES {
        return Err(wrong(format!(
            "{length} bytes, expected at most {MOST_BYTES}"
        )));
    }
    let mut decoder = decoder(path, BufReader::new(file))?;
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation();
    let turned = matches!(
        orientation.map_err(|error| wrong(error.to_string()))?,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let [width, height] = [width, height].map(|side| side as usize);
    Ok(if turned {
        [width, height]
    } else {
        [height, width]
    })
}

/// The decoder of an image of a known format and a permitted size.
fn decoder<'a>(
    path: &Path,
    bytes: impl BufRead + Seek + 'a,
) -> Result<impl ImageDecoder + 'a, ImageError> {
    let wrong = |message: String| ImageError::Format {
        path: path.into(),
        message,
    };
    let reader = ImageReader::new(bytes).with_guessed_format();
    let reader = reader.map_err(|error| wrong(error.to_string()))?;
    use ImageFormat::{Jpeg, Png, Tiff, WebP};
    if !matches!(reader.format(), Some(Jpeg | Png | Tiff | WebP)) {
        return Err(wrong("not a PNG, JPEG, WebP or TIFF image".into()));
    }
    let decoder = reader.into_decoder();
    let decoder = decoder.map_err(|error| wrong(error.to_string()))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    match (1..=MOST_PIXELS).contains(&pixels) {
        true => Ok(decoder),
        false => Err(wrong(format!(
            "{width}×{height} pixels, expected 1 to {MOST_PIXELS}"
        ))),
    }
}

/// The values of an image in `[0, 1]`, by channel, row and column: grey for 1 channel, RGB for 3.
pub(crate) fn unit_planes(image: &DynamicImage, channels: usize) -> Vec<f32> {
    let raw = match channels {
        1 if image.color().has_color() => {
            let luma = |pixel: &image::Rgb<f32>| {
                let weighted = pixel.0.iter().zip(tweedie_core::LUMA);
                weighted
                    .map(|(&v, weight)| f64::from(v) * weight)
                    .sum::<f64>() as f32
            };
            return image.to_rgb32f().pixels().map(luma).collect();
        }
        1 => image.to_luma32f().into_raw(),
        _ => image.to_rgb32f().into_raw(),
    };
    let plane = |c: usize| raw.iter().skip(c).step_by(channels);
    (0..channels).flat_map(plane).copied().collect()
}

/// Returns whether a JPEG file has an end-of-image marker after its scans.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const START: u8 = 0xd8;
    const END: u8 = 0xd9;
    const SCAN: u8 = 0xda;
    // Markers without a length: TEM, restarts and the start of the image.
    let is_bare = |marker| marker == 0x01 || (0xd0..=START).contains(&marker);
    let mut place = 0;
    while let Some(&[first, marker]) = bytes.get(place..place + 2) {
        match (first, marker) {
            // Padding before a marker, or data between two markers.
            (0xff, 0xff) | (0..0xff, _) | (0xff, 0x00) => place += 1,
            (_, END) => return true,
            (_, marker) if is_bare(marker) => place += 2,
            (_, marker) => {
                let Some(&[high, low]) = bytes.get(place + 2..place + 4) else {
                    return false;
                };
                place += 2 + usize::from(u16::from_be_bytes([high, low]));
                if marker == SCAN {
                    // Entropy-coded data, in which 0xff is followed by 0 or a restart marker.
                    let rest = bytes.get(place..).unwrap_or_default();
                    let is_end = |pair: &[u8]| pair[0] == 0xff && pair[1] != 0 && !is_bare(pair[1]);
                    match rest.windows(2).position(is_end) {
                        Some(data) => place += data,
                        None => return false,
                    }
                }
            }
        }
    }
    false
}
