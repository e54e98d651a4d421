//! The images of the `train` example: in memory, or read from a folder as the run needs them.

use super::{Arguments, of_classes};
use std::error::Error;
use std::sync::Arc;
use tweedie::burn::tensor::TensorData;
use tweedie::image::{ImageError, ImageFolder};
use tweedie::models::Conditions;
use tweedie::prelude::*;
use tweedie::train::{Batch, ExampleError, Examples, FnExamples, ReadAhead, Request, Shuffle};

/// Images with their classes.
#[derive(Clone, Debug)]
pub enum Source {
    /// In memory.
    Memory(Arc<Images>),
    /// In files.
    Folder(Arc<ImageFolder>),
}

/// Examples of the run.
pub type Data = Box<dyn Examples<4, Condition = Conditions>>;

impl Arguments {
    /// The images.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn images(&self) -> Result<Source, Box<dyn Error>> {
        let size = self.size.map(|size| [size, size]);
        let folder = self.data.as_ref().filter(|path| path.is_dir());
        let sized = size.is_some() && self.phantoms.is_none();
        if folder.is_none() && (sized || self.channels.is_some()) {
            return Err("--size and --channels are for a folder of images".into());
        }
        let images = match (&self.data, folder) {
            (_, Some(path)) => {
                let images = ImageFolder::open(path, self.channels.unwrap_or(3), size)?;
                let images = if self.check {
                    images.checked()?
                } else {
                    images
                };
                Source::Folder(Arc::new(images))
            }
            (path, None) => {
                let images = match (path, self.phantoms) {
                    (_, Some(count)) => {
                        Images::phantoms(count, self.size.unwrap_or(64), self.seed)?
                    }
                    (Some(path), _) if path.extension().is_some_and(|end| end == "npz") => {
                        Images::npz(path)?
                    }
                    (Some(path), _) => Images::idx(path)?,
                    (None, _) => Images::digits()?,
                };
                Source::Memory(Arc::new(match &self.labels {
                    None => images,
                    Some(labels) => images.with_idx_labels(labels)?,
                }))
            }
        };
        if self.held_out >= images.count() {
            let (count, held_out) = (images.count(), self.held_out);
            return Err(format!("--held-out {held_out} leaves none of {count} images").into());
        }
        Ok(images)
    }
}

impl Source {
    /// The number of images.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Memory(images) => images.count(),
            Self::Folder(images) => images.len(),
        }
    }

    /// The number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        match self {
            Self::Memory(images) => images.channels(),
            Self::Folder(images) => images.channels(),
        }
    }

    /// Height and width.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        match self {
            Self::Memory(images) => images.size(),
            Self::Folder(images) => images.size(),
        }
    }

    /// The number of classes, if the images have classes.
    #[must_use]
    pub fn classes(&self) -> Option<usize> {
        match self {
            Self::Memory(images) => {
                let most = images.labels()?.iter().max()?;
                Some(usize::from(*most) + 1)
            }
            Self::Folder(images) => Some(images.classes().len()).filter(|&count| count > 0),
        }
    }

    /// A checksum, which tells this set from another.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        match self {
            Self::Memory(images) => images.checksum(),
            Self::Folder(images) => images.checksum(),
        }
    }

    /// Why files were left out.
    #[must_use]
    pub fn skipped(&self) -> &[ImageError] {
        match self {
            Self::Memory(_) => &[],
            Self::Folder(images) => images.skipped(),
        }
    }

    /// The standard deviation of the values of at most 2,000 images in `[−1, 1]`, about their mean,
    /// to three digits.
    ///
    /// It is part of the network, so every process has to find the same.
    ///
    /// # Errors
    /// If an image cannot be read.
    pub fn deviation(&self, readers: usize, device: &Device) -> Result<f64, Box<dyn Error>> {
        let indices = self.order();
        let examples = self.examples(&indices[..indices.len().min(2000)], false, readers);
        let places: Vec<usize> = (0..examples.len()).collect();
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for places in places.chunks(32) {
            let batch = examples.batch(&Request::new(places, device, 0));
            let values = batch.map_err(|error| error.to_string())?.clean.into_data();
            for value in values.iter::<f64>() {
                count += 1.0;
                sum += value;
                squares += value * value;
            }
        }
        let mean: f64 = sum / count;
        let deviation = (squares / count - mean * mean).max(0.0).sqrt();
        // A set of equal images has none.
        Ok(((deviation * 1e3).round() / 1e3).max(0.001))
    }

    /// The indices of all images; those of a folder are shuffled, since its files are sorted by
    /// class.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        match self {
            Self::Memory(images) => (0..images.count()).collect(),
            Self::Folder(images) => Shuffle::new(images.len(), 0).batch(0, images.len()),
        }
    }

    /// The images at `indices`, with their classes if asked for. Files are read ahead by `readers`
    /// threads.
    #[must_use]
    pub fn examples(&self, indices: &[usize], classes: bool, readers: usize) -> Data {
        let (own, count): (Arc<[usize]>, usize) = (indices.into(), indices.len());
        match self.clone() {
            Self::Memory(images) => Box::new(FnExamples::new(count, move |request| {
                let indices: Vec<usize> = request.indices.iter().map(|&i| own[i]).collect();
                let labels = images.labels().filter(|_| classes);
                let class = |labels: &[u8]| indices.iter().map(|&i| labels[i].into()).collect();
                let classes: Vec<usize> = labels.map_or_else(Vec::new, class);
                Ok(Batch {
                    clean: images.select(&indices, ValueRange::Signed, request.device),
                    condition: of_classes(&classes, request.device),
                })
            })),
            Self::Folder(images) => {
                let (reader, channels, [height, width]) =
                    (Arc::clone(&images), images.channels(), images.size());
                let places = Arc::clone(&own);
                let read = move |i: usize| reader.read(places[i]).map_err(ExampleError::from);
                let stack = move |items: &[Vec<f32>], request: &Request<'_>| {
                    let shape = [items.len(), channels, height, width];
                    let data = TensorData::new(items.concat(), shape);
                    let of = |&i: &usize| images.class(own[i]).filter(|_| classes);
                    let classes: Vec<usize> = request.indices.iter().filter_map(of).collect();
                    let unit = Tensor::from_data(data, request.device);
                    Ok(Batch {
                        clean: ValueRange::Unit.convert(ValueRange::Signed, unit),
                        condition: of_classes(&classes, request.device),
                    })
                };
                Box::new(ReadAhead::new(count, readers, read, stack))
            }
        }
    }
}
