//! The bundled data sets.

use super::Images;
use crate::ImageError;
use crate::decode::decode_bytes;
use flate2::read::GzDecoder;
use std::path::Path;

impl Images {
    /// Returns 1,797 handwritten digits, 8×8, with their classes 0 to 9 (UCI, CC BY 4.0).
    ///
    /// # Errors
    /// [`ImageError`] if a bundled file is damaged.
    pub fn digits() -> Result<Self, ImageError> {
        let path = Path::new("data/digits.csv.gz");
        let wrong = |error: csv::Error| ImageError::Format {
            path: path.into(),
            message: error.to_string(),
        };
        let bytes = GzDecoder::new(include_bytes!("../../data/digits.csv.gz").as_slice());
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(bytes);
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for record in reader.deserialize() {
            let mut values: Vec<u8> = record.map_err(wrong)?;
            labels.extend(values.pop());
            pixels.extend(values);
        }
        Ok(Self {
            pixels,
            white: 16,
            channels: 1,
            size: [8, 8],
            labels: Some(labels),
        })
    }

    /// Returns the first 5,000 training images of Fashion-MNIST, 28×28, with their classes.
    ///
    /// # Errors
    /// [`ImageError`] if a bundled file is damaged.
    pub fn fashion_train() -> Result<Self, ImageError> {
        let images = include_bytes!("../../data/fashion-train-images-idx3-ubyte.gz");
        let labels = include_bytes!("../../data/fashion-train-labels-idx1-ubyte.gz");
        Self::bundled(images, labels)
    }

    /// Reads gzipped IDX files of images and of their classes.
    fn bundled(images: &[u8], labels: &[u8]) -> Result<Self, ImageError> {
        let [first, second] = ["bundled images", "bundled labels"].map(Path::new);
        Self::from_idx(first, images.to_vec())?.with_labels_from(second, labels.to_vec())
    }

    /// Returns the first 500 test images of Fashion-MNIST, 28×28, with their classes.
    ///
    /// # Errors
    /// [`ImageError`] if a bundled file is damaged.
    pub fn fashion_test() -> Result<Self, ImageError> {
        let images = include_bytes!("../../data/fashion-test-images-idx3-ubyte.gz");
        let labels = include_bytes!("../../data/fashion-test-labels-idx1-ubyte.gz");
        Self::bundled(images, labels)
    }

    /// Returns the six colour photographs of 256×256 pixels that [`PHOTOS`] names.
    ///
    /// Three are by NASA (public domain), three are CC0.
    ///
    /// # Errors
    /// [`ImageError`] if a bundled file is damaged.
    pub fn photos() -> Result<Self, ImageError> {
        let files = [
            include_bytes!("../../data/astronaut.png").as_slice(),
            include_bytes!("../../data/chelsea.png"),
            include_bytes!("../../data/coffee.png"),
            include_bytes!("../../data/rocket.png"),
            include_bytes!("../../data/hubble.png"),
            include_bytes!("../../data/retina.png"),
        ];
        let mut pixels = Vec::new();
        for (name, bytes) in PHOTOS.iter().zip(files) {
            let image = decode_bytes(Path::new(&format!("data/{name}.png")), bytes)?;
            let image = image.to_rgb8();
            let channel = |channel: usize| image.pixels().map(move |pixel| pixel.0[channel]);
            (0..3).for_each(|c| pixels.extend(channel(c)));
        }
        Ok(Self {
            pixels,
            white: 255,
            channels: 3,
            size: [256, 256],
            labels: None,
        })
    }
}

/// The names of the photographs of [`Images::photos`], in order.
pub const PHOTOS: [&str; 6] = [
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "hubble",
    "retina",
];
