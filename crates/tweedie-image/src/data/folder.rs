//! A folder of image files, with subfolders for the classes.

use super::Images;
use crate::ImageError;
use crate::decode::{decode, is_npy, size_of, unit_planes};
use crate::picture::canvas;
use image::DynamicImage;
use image::imageops::FilterType;
use std::path::{Path, PathBuf};

/// The extensions of files that are read.
const EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "npy"];

/// Subfolders deeper than this are not read.
const DEEPEST: usize = 32;

/// The image files of a folder and its subfolders, in the order of their paths. They are decoded
/// when they are asked for, so that a set may be larger than the memory.
///
/// PNG, JPEG, WebP and TIFF files are read, the latter with 8 or 16 bits, or colours as floats of
/// 32 bits. With the feature `npy`, so are `.npy` files with values in `[0, 1]`, `[height, width]`
/// or `[channels, height, width]`. The Exif orientation is applied.
///
/// If all files are in subfolders, these are the classes: `shirt/1.png` and `shirt/new/2.png`
/// belong to `shirt`.
///
/// ```
/// use tweedie_image::ImageFolder;
///
/// let folder = tempfile::tempdir()?;
/// for class in ["bag", "shirt"] {
///     std::fs::create_dir(folder.path().join(class))?;
///     let path = folder.path().join(class).join("1.png");
///     image::RgbImage::from_pixel(40, 30, image::Rgb([255, 0, 0])).save(path)?;
/// }
/// let images = ImageFolder::open(folder.path(), 3, Some([16, 16]))?;
/// assert_eq!((images.len(), images.classes()), (2, &["bag".into(), "shirt".into()][..]));
/// assert_eq!(images.class(1), Some(1));
/// let red = images.read(0)?;
/// assert_eq!((red.len(), red[0], red[256]), (3 * 16 * 16, 1.0, 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ImageFolder {
    files: Vec<PathBuf>,
    classes: Vec<String>,
    labels: Vec<usize>,
    channels: usize,
    size: [usize; 2],
    scaled: bool,
    skipped: Vec<ImageError>,
}

impl ImageFolder {
    /// Lists the images of a folder and reads their sizes.
    ///
    /// `channels` is 1 for grey, by the weights [`tweedie_core::LUMA`], or 3 for RGB; `.npy` files
    /// need to have as many, of any number. With `size` (height and width), each image is cropped
    /// around its centre to that aspect ratio and scaled. Without `size`, all images must have the
    /// same size.
    ///
    /// A file that is no image is skipped; [`skipped`](Self::skipped) lists it. A file whose pixels
    /// are damaged is an error when it is read, unless [`checked`](Self::checked) removes it.
    ///
    /// # Errors
    /// [`ImageError`] if `channels` or `size` is 0, if the folder cannot be read or has no images,
    /// or if the size of a file differs from the first.
    pub fn open(
        path: impl AsRef<Path>,
        channels: usize,
        size: Option<[usize; 2]>,
    ) -> Result<Self, ImageError> {
        let path = path.as_ref();
        if channels == 0 {
            return Err(ImageError::Channels { channels });
        }
        if let Some([height, width]) = size {
            if height == 0 || width == 0 {
                let size = [height, width];
                return Err(ImageError::NoPixels { size });
            }
            canvas(width as u64, height as u64)?;
        }
        let mut found = Vec::new();
        walk(path, 0, &mut found)?;
        found.sort();
        let (mut files, mut skipped) = (Vec::new(), Vec::new());
        let mut expected = size.map(|size| (size, PathBuf::new()));
        for file in found {
            let found = match size_of(&file) {
                Ok(found) => found,
                Err(error) => {
                    skipped.push(error);
                    continue;
                }
            };
            let (expected, first) = expected.get_or_insert_with(|| (found, file.clone()));
            // An array is never scaled.
            if (size.is_none() || is_npy(&file)) && *expected != found {
                let [found, expected] = [found, *expected].map(|[height, width]| [width, height]);
                return Err(ImageError::Size {
                    path: file,
                    found,
                    expected,
                    first: first.clone(),
                });
            }
            files.push(file);
        }
        let Some((read, _)) = expected.filter(|_| !files.is_empty()) else {
            return Err(skipped
                .pop()
                .unwrap_or_else(|| ImageError::Empty { path: path.into() }));
        };
        let (classes, labels) = classes(path, &files);
        Ok(Self {
            files,
            classes,
            labels,
            channels,
            size: read,
            scaled: size.is_some(),
            skipped,
        })
    }

    /// Decodes every file once and removes those that are damaged; [`skipped`](Self::skipped) then
    /// lists them too.
    ///
    /// # Errors
    /// The error of the last file if no file is left.
    pub fn checked(mut self) -> Result<Self, ImageError> {
        let damaged = |i: usize| self.read(i).err().map(|error| (i, error));
        let damaged: Vec<_> = (0..self.len()).filter_map(damaged).collect();
        let mut keep = vec![true; self.len()];
        for (i, error) in damaged {
            keep[i] = false;
            self.skipped.push(error);
        }
        let kept = |i: &usize| keep[*i];
        let places: Vec<usize> = (0..self.len()).filter(kept).collect();
        self.files = places.iter().map(|&i| self.files[i].clone()).collect();
        if !self.labels.is_empty() {
            self.labels = places.iter().map(|&i| self.labels[i]).collect();
        }
        match self.files.is_empty().then(|| self.skipped.pop()).flatten() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Height and width.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The names of the classes, sorted; none if there are files outside subfolders.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The class of an image, if there are classes.
    #[must_use]
    pub fn class(&self, index: usize) -> Option<usize> {
        self.labels.get(index).copied()
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// A checksum (CRC-32) of the files' names and sizes, which tells this set from another.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        let mut crc = flate2::Crc::new();
        for (index, file) in self.files.iter().enumerate() {
            let name = file.file_name().unwrap_or_default();
            let length = std::fs::metadata(file).map_or(0, |data| data.len());
            crc.update(name.as_encoded_bytes());
            crc.update(&length.to_le_bytes());
            crc.update(&(self.class(index).unwrap_or(0) as u64).to_le_bytes());
        }
        crc.sum()
    }

    /// Why files were skipped.
    #[must_use]
    pub fn skipped(&self) -> &[ImageError] {
        &self.skipped
    }

    /// Decodes an image: values in `[0, 1]`, by channel, row and column. The floats of a TIFF file
    /// stay as they are.
    ///
    /// # Errors
    /// [`ImageError`] if there is no such image, if the file is damaged or has been replaced by
    /// one of another size.
    pub fn read(&self, index: usize) -> Result<Vec<f32>, ImageError> {
        let file = self.files.get(index).ok_or(ImageError::Index {
            index,
            count: self.len(),
        })?;
        #[cfg(feature = "npy")]
        if is_npy(file) {
            return self.read_array(file);
        }
        let image = decode(file)?;
        let image = match self.scaled {
            true => fitted(&image, self.size),
            false => image,
        };
        let found = [image.width() as usize, image.height() as usize];
        let [height, width] = self.size;
        if found != [width, height] {
            return Err(ImageError::Size {
                path: file.clone(),
                found,
                expected: [width, height],
                first: self.files[0].clone(),
            });
        }
        match self.channels {
            1 | 3 => Ok(unit_planes(&image, self.channels)),
            channels => Err(ImageError::Channels { channels }),
        }
    }

    #[cfg(feature = "npy")]
    fn read_array(&self, file: &Path) -> Result<Vec<f32>, ImageError> {
        let (shape, values) = crate::npy::floats(file)?;
        let [height, width] = self.size;
        let expected = [self.channels, height, width];
        let outside = values.iter().find(|value| !(0.0..=1.0).contains(*value));
        let message = match outside {
            _ if shape != expected => format!("an array of {shape:?}, expected {expected:?}"),
            Some(value) => format!("{value}, expected values in [0, 1]"),
            None => return Ok(values),
        };
        Err(ImageError::Format {
            path: file.into(),
            message,
        })
    }
}

impl Images {
    /// Reads the images of a folder into memory, with 8 bits per value. [`ImageFolder`] says which
    /// files are read. None is skipped: a damaged file is an error.
    ///
    /// `channels` is 1 for grey, by the weights [`tweedie_core::LUMA`], or 3 for RGB. With `size`
    /// (height and width), each image is cropped around its centre to that aspect ratio and scaled.
    /// Without `size`, all images must have the same size. Subfolders become classes if there are
    /// at most 256.
    ///
    /// # Errors
    /// As [`ImageFolder::open`] and [`ImageFolder::read`], and [`ImageError::Channels`] for another
    /// number of channels than 1 and 3.
    pub fn folder(
        path: impl AsRef<Path>,
        channels: usize,
        size: Option<[usize; 2]>,
    ) -> Result<Self, ImageError> {
        if channels != 1 && channels != 3 {
            return Err(ImageError::Channels { channels });
        }
        let mut folder = ImageFolder::open(path, channels, size)?;
        if let Some(error) = folder.skipped.pop() {
            return Err(error);
        }
        let mut pixels = Vec::new();
        for index in 0..folder.len() {
            let values = folder.read(index)?;
            pixels.extend(
                values
                    .into_iter()
                    .map(|value| (value * 255.0).round() as u8),
            );
        }
        let labels = folder.labels.iter().map(|&label| u8::try_from(label).ok());
        let labels: Option<Vec<u8>> = labels.collect();
        Ok(Self {
            pixels,
            white: u8::MAX,
            channels,
            size: folder.size,
            labels: labels.filter(|labels| !labels.is_empty()),
        })
    }
}

/// The names of the subfolders with images, and the place of each file's among them; empty if a
/// file is in no subfolder.
fn classes(folder: &Path, files: &[PathBuf]) -> (Vec<String>, Vec<usize>) {
    let class = |file: &PathBuf| {
        let mut parts = file.strip_prefix(folder).ok()?.components();
        let name = parts.next()?.as_os_str().to_string_lossy().into_owned();
        parts.next().map(|_| name)
    };
    let Some(of_files) = files.iter().map(class).collect::<Option<Vec<String>>>() else {
        return (Vec::new(), Vec::new());
    };
    let mut names = of_files.clone();
    names.sort();
    names.dedup();
    let place = |name: &String| names.partition_point(|other| other < name);
    let labels = of_files.iter().map(place).collect();
    (names, labels)
}

/// Crops an image around its centre to the aspect ratio of `[height, width]` and scales it to that
/// size.
fn fitted(image: &DynamicImage, [height, width]: [usize; 2]) -> DynamicImage {
    let (w, h) = (u64::from(image.width()), u64::from(image.height()));
    let (width, height) = (width as u64, height as u64);
    // The crop is as wide as the height allows, or as high as the width allows.
    let round = |a: u64, b: u64, by: u64| ((2 * a * b + by) / (2 * by)).max(1);
    let cut_w = round(h, width, height).min(w);
    let cut_h = round(w, height, width).min(h);
    let (left, top) = ((w - cut_w) / 2, (h - cut_h) / 2);
    let part = image.crop_imm(left as u32, top as u32, cut_w as u32, cut_h as u32);
    part.resize_exact(width as u32, height as u32, FilterType::CatmullRom)
}

/// Collects the image files below a folder. Hidden files and links to folders are left out.
fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), ImageError> {
    let file = |source| ImageError::File {
        path: folder.into(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(file)? {
        let entry = entry.map_err(file)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(file)?);
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            if depth < DEEPEST {
                walk(&path, depth + 1, found)?;
            }
            continue;
        }
        let extension = path.extension().unwrap_or_default();
        let known = |known: &str| extension.eq_ignore_ascii_case(known);
        if EXTENSIONS.iter().any(|name| known(name)) && (cfg!(feature = "npy") || !known("npy")) {
            found.push(path);
        }
    }
    Ok(())
}
