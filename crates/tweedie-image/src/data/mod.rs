//! Sets of images of one size.

mod bundled;
mod folder;
mod idx;
#[cfg(feature = "npy")]
mod npz;
mod phantom;

pub use bundled::PHOTOS;
pub use folder::ImageFolder;

use crate::{ImageError, ValueRange};
use burn::data::dataset::Dataset;
use burn::tensor::{Device, Tensor, TensorData};

/// A set of images of one size, in memory, with 8 bits per value.
///
/// The set is a burn [`Dataset`] of [`Image`]s and converts to tensors in either value range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    pixels: Vec<u8>,
    /// The value of white.
    white: u8,
    channels: usize,
    size: [usize; 2],
    labels: Option<Vec<u8>>,
}

/// One image of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Values in `[0, 1]`, by channel, row and column.
    pub pixels: Vec<f32>,
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// The class, if the set has classes.
    pub label: Option<u8>,
}

impl Images {
    /// Returns the number of images.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pixels.len() / self.values()
    }

    /// Returns the number of channels: 1 or 3.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns height and width.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Returns the class of each image, if the set has classes.
    #[must_use]
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    /// A checksum (CRC-32) of pixels and classes, which tells this set from another.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(&self.pixels);
        crc.update(self.labels.as_deref().unwrap_or_default());
        crc.sum()
    }

    /// Returns all images: `[count, channels, height, width]`.
    #[must_use]
    pub fn tensor(&self, range: ValueRange, device: &Device) -> Tensor<4> {
        let values = self.pixels.iter().map(|&value| self.unit(value)).collect();
        self.stack(values, range, device)
    }

    /// Returns the images at `indices`: `[indices.len(), channels, height, width]`.
    ///
    /// # Panics
    /// If an index is not below [`count`](Self::count).
    #[must_use]
    pub fn select(&self, indices: &[usize], range: ValueRange, device: &Device) -> Tensor<4> {
        let all = self.count();
        if let Some(index) = indices.iter().find(|&&index| index >= all) {
            panic!("image {index} of a set of {all}");
        }
        let size = self.values();
        let pixels = indices
            .iter()
            .flat_map(|i| &self.pixels[i * size..][..size]);
        let values = pixels.map(|&value| self.unit(value)).collect();
        self.stack(values, range, device)
    }

    /// A stored value in `[0, 1]`.
    fn unit(&self, value: u8) -> f32 {
        f32::from(value) / f32::from(self.white)
    }

    fn stack(&self, values: Vec<f32>, range: ValueRange, device: &Device) -> Tensor<4> {
        let [height, width] = self.size;
        let shape = [values.len() / self.values(), self.channels, height, width];
        let unit = Tensor::from_data(TensorData::new(values, shape), device);
        ValueRange::Unit.convert(range, unit)
    }

    /// The number of values of one image.
    fn values(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }
}

impl Dataset<Image, ImageError> for Images {
    fn get(&self, index: usize) -> Result<Image, ImageError> {
        let count = self.count();
        if index >= count {
            return Err(ImageError::Index { index, count });
        }
        let values = &self.pixels[index * self.values()..(index + 1) * self.values()];
        let white = f32::from(self.white);
        Ok(Image {
            pixels: values.iter().map(|&v| f32::from(v) / white).collect(),
            shape: [self.channels, self.size[0], self.size[1]],
            label: self.labels.as_ref().map(|labels| labels[index]),
        })
    }

    fn len(&self) -> usize {
        self.count()
    }
}
