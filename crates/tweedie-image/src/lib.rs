//! Images to tensors and back, with explicit value ranges.
//!
//! | task | item |
//! |---|---|
//! | files to tensors and back | [`load`], [`save`], [`ValueRange`] |
//! | data sets: IDX files, folders of images, bundled data | [`Images`] |
//! | contact sheets with labels | [`Sheet`], [`grid`] |
//! | a chain as a film strip or an animation | [`film_strip`], [`save_gif`] |
//! | NumPy files (`.npy`, `.npz`) and `ndarray` arrays (feature `npy`) | `load_npy`, `save_npy`, `Npz`, `to_array`, `from_array` |
//! | scatter plots | [`scatter`] |
//! | curves on logarithmic or linear axes | [`chart`] |
//!
//! Tensors are `[batch, channels, height, width]`, with 1 (grey) or 3 (RGB) channels.
//!
//! ```
//! use burn::tensor::Device;
//! use tweedie_image::{Images, ValueRange};
//!
//! let digits = Images::digits()?;
//! let x = digits.tensor(ValueRange::Signed, &Device::flex());
//! assert_eq!(x.dims(), [1797, 1, 8, 8]);
//! assert_eq!(x.min().into_scalar::<f32>(), -1.0);
//! # Ok::<(), tweedie_image::ImageError>(())
//! ```
//!
//! # Bundled data
//! * Digits: 1,797 grey images 8×8, "Optical Recognition of Handwritten Digits", E. Alpaydin and
//!   C. Kaynak, UCI Machine Learning Repository, CC BY 4.0.
//! * Fashion-MNIST: the first 5,000 training and 500 test images 28×28, H. Xiao, K. Rasul and
//!   R. Vollgraf, © 2017 Zalando SE, MIT licence (`data/FASHION-MNIST-LICENSE.txt`).
//! * Photographs: six colour images 256×256, NASA (public domain) and CC0 (`data/README.md`).

mod chart;
mod data;
mod decode;
mod error;
mod files;
mod film;
#[cfg(feature = "npy")]
mod npy;
mod picture;
mod plot;
mod sheet;
mod text;

pub use chart::{Axis, Curve, Panel, chart};
pub use data::{Image, ImageFolder, Images, PHOTOS};
pub use error::ImageError;
pub use files::{load, save};
pub use film::{film_strip, save_gif};
#[cfg(feature = "npy")]
pub use npy::{Npz, from_array, load_npy, save_npy, to_array};
pub use picture::{Picture, pictures};
pub use plot::{Cloud, scatter};
pub use sheet::{Sheet, grid};
pub use tweedie_core::ValueRange;
