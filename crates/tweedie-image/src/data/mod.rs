//! Sets of images of one size.

mod bundled;
mod folder;
mod idx;
mod phantom;

pub use bundled::PHOTOS;

use crate::{ImageError, ValueRange};
use burn::data::dataset::Dataset;
use burn::tensor::{Device, Int, Tensor, TensorData};

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

    /// Returns all images: `[count, channels, height, width]`.
    #[must_use]
    pub fn tensor(&self, range: ValueRange, device: &Device) -> Tensor<4> {
        let ([height, width], white) = (self.size, f32::from(self.white));
        let values: Vec<f32> = self.pixels.iter().map(|&v| f32::from(v) / white).collect();
        let shape = [self.count(), self.channels, height, width];
        let unit = Tensor::from_data(TensorData::new(values, shape), device);
        ValueRange::Unit.convert(range, unit)
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
        let indices: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
        let count = indices.len();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), device);
        self.tensor(range, device).select(0, indices)
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
