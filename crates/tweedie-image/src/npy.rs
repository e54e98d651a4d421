//! NumPy files: one array in a `.npy` file, several named arrays in a `.npz` file.
//!
//! Values and the order of dimensions are kept: nothing is scaled or transposed. Floats keep their
//! precision; integers and Booleans become `f32`.
//!
//! # Reference
//! "NumPy Enhancement Proposal 1: a simple file format for NumPy arrays".

use crate::ImageError;
use crate::decode::read;
use crate::files::{expect_extension, write};
use burn::tensor::{DType, Device, Element, Tensor, TensorData};
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use ndarray_npy::{ViewNpyError, ViewNpyExt, WriteNpyExt};
use std::io::{Cursor, Read, Write};
use std::path::Path;
use zip::result::ZipError;

/// The maximum size in bytes of a file, and of all arrays of an archive together.
const MOST_BYTES: u64 = 1 << 32;

/// Reads the array of a `.npy` file.
///
/// # Errors
/// [`ImageError::File`] if the file cannot be read; [`ImageError::Format`] if it is not an array,
/// or if the array does not have `D` dimensions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_image::{load_npy, save_npy};
///
/// let device = Device::flex();
/// let path = std::env::temp_dir().join(format!("tweedie-{}.npy", std::process::id()));
/// save_npy(&path, Tensor::<2>::from_floats([[0.5, 1.0], [2.0, 4.0]], &device))?;
/// let kernel: Tensor<2> = load_npy(&path, &device)?;
/// assert_eq!(kernel.into_data().iter::<f32>().sum::<f32>(), 7.5);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), tweedie_image::ImageError>(())
/// ```
pub fn load_npy<const D: usize>(
    path: impl AsRef<Path>,
    device: &Device,
) -> Result<Tensor<D>, ImageError> {
    let path = path.as_ref();
    let format = |message| ImageError::Format {
        path: path.into(),
        message,
    };
    let data = parse(&read(path, MOST_BYTES)?).map_err(format)?;
    tensor(data, device).map_err(format)
}

/// The shape `[channels, height, width]` and the values of an image in a `.npy` file.
pub(crate) fn floats(path: &Path) -> Result<([usize; 3], Vec<f32>), ImageError> {
    let format = |message| ImageError::Format {
        path: path.into(),
        message,
    };
    let data = parse(&read(path, MOST_BYTES)?).map_err(format)?;
    let shape = match data.shape().to_vec()[..] {
        [height, width] => [1, height, width],
        [channels, height, width] => [channels, height, width],
        ref shape => {
            return Err(format(format!(
                "an array of {shape:?}, expected 2 or 3 axes"
            )));
        }
    };
    Ok((shape, data.iter::<f32>().collect()))
}

/// Writes a tensor as a `.npy` file of `f32` or `f64`. An existing file is replaced atomically.
///
/// # Errors
/// [`ImageError::Extension`] for a path that does not end in `.npy`; [`ImageError::File`] if the
/// file cannot be written.
pub fn save_npy<const D: usize>(path: impl AsRef<Path>, x: Tensor<D>) -> Result<(), ImageError> {
    let path = path.as_ref();
    expect_extension(path, "npy")?;
    let bytes = encoded(x.into_data()).map_err(|message| ImageError::Format {
        path: path.into(),
        message,
    })?;
    write(path, &bytes)
}

/// Named arrays, as `numpy.savez` and `numpy.savez_compressed` write them.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_image::Npz;
///
/// let device = Device::flex();
/// let path = std::env::temp_dir().join(format!("tweedie-{}.npz", std::process::id()));
/// let y = Tensor::<4>::ones([1, 3, 8, 8], &device);
/// let kernel = Tensor::<2>::full([5, 5], 0.04, &device);
/// Npz::new().with("y", y).with("kernel", kernel).save(&path)?;
///
/// let arrays = Npz::open(&path)?;
/// assert_eq!(arrays.names().collect::<Vec<_>>(), ["y", "kernel"]);
/// assert_eq!(arrays.tensor::<2>("kernel", &device)?.dims(), [5, 5]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), tweedie_image::ImageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Npz {
    path: std::path::PathBuf,
    arrays: Vec<(String, TensorData)>,
}

impl Default for Npz {
    fn default() -> Self {
        Self {
            path: "arrays in memory".into(),
            arrays: Vec::new(),
        }
    }
}

impl Npz {
    /// Creates a set without arrays.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an array, which replaces one of the same name.
    #[must_use]
    pub fn with<const D: usize>(mut self, name: &str, x: Tensor<D>) -> Self {
        self.arrays.retain(|(found, _)| found != name);
        self.arrays.push((name.into(), x.into_data()));
        self
    }

    /// Reads a `.npz` file.
    ///
    /// # Errors
    /// [`ImageError::File`] if the file cannot be read; [`ImageError::Format`] if an entry is not
    /// an array.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ImageError> {
        let path = path.as_ref();
        let bytes = read(path, MOST_BYTES)?;
        let arrays = unzip(bytes).map_err(|message| ImageError::Format {
            path: path.into(),
            message,
        })?;
        let path = path.into();
        Ok(Self { path, arrays })
    }

    /// Returns the names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.iter().map(|(name, _)| name.as_str())
    }

    /// The array `name`, if there is one.
    pub(crate) fn array(&self, name: &str) -> Option<&TensorData> {
        let found = self.arrays.iter().find(|(found, _)| found == name);
        found.map(|(_, data)| data)
    }

    /// Returns the array `name` as a tensor.
    ///
    /// # Errors
    /// [`ImageError::Format`] if there is no such array, or if it does not have `D` dimensions.
    pub fn tensor<const D: usize>(
        &self,
        name: &str,
        device: &Device,
    ) -> Result<Tensor<D>, ImageError> {
        let format = |message| ImageError::Format {
            path: self.path.clone(),
            message,
        };
        let data = self.array(name).ok_or_else(|| {
            let names: Vec<&str> = self.names().collect();
            format(format!("no array {name:?}; there are {names:?}"))
        })?;
        tensor(data.clone(), device).map_err(|message| format(format!("{name}: {message}")))
    }

    /// Writes all arrays as an uncompressed `.npz` file. An existing file is replaced atomically.
    ///
    /// # Errors
    /// [`ImageError::Extension`] for a path that does not end in `.npz`; [`ImageError::File`] if
    /// the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ImageError> {
        let path = path.as_ref();
        expect_extension(path, "npz")?;
        let bytes = self.zipped().map_err(|message| ImageError::Format {
            path: path.into(),
            message,
        })?;
        write(path, &bytes)
    }

    fn zipped(&self) -> Result<Vec<u8>, String> {
        let text = |error: ZipError| error.to_string();
        let mut file = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(true);
        for (name, data) in &self.arrays {
            file.start_file(format!("{name}.npy"), options)
                .map_err(text)?;
            let bytes = encoded(data.clone())?;
            file.write_all(&bytes).map_err(|error| error.to_string())?;
        }
        Ok(file.finish().map_err(text)?.into_inner())
    }
}

/// Copies a tensor to an `ndarray` array on the host.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_image::{from_array, to_array};
///
/// let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &Device::flex());
/// let array = to_array::<f64, 2>(x.clone());
/// assert_eq!(array[[1, 0]], 3.0);
/// let back: Tensor<2> = from_array(array.t(), &Device::flex())?;
/// assert_eq!(back.into_data(), x.transpose().cast(burn::tensor::DType::F64).into_data());
/// # Ok::<(), tweedie_image::ImageError>(())
/// ```
#[must_use]
pub fn to_array<E: Element, const D: usize>(x: Tensor<D>) -> ArrayD<E> {
    let shape = IxDyn(&x.dims());
    let values: Vec<E> = x.into_data().iter::<E>().collect();
    ArrayD::from_shape_vec(shape, values)
        .unwrap_or_else(|error| unreachable!("the values of a tensor: {error}"))
}

/// Copies an `ndarray` array to a tensor, in the precision of its values.
///
/// # Errors
/// [`ImageError::Dimensions`] if the array does not have `D` dimensions.
pub fn from_array<E: Element, S: ndarray::Dimension, const D: usize>(
    array: ndarray::ArrayView<'_, E, S>,
    device: &Device,
) -> Result<Tensor<D>, ImageError> {
    let shape = array.shape().to_vec();
    if shape.len() != D {
        let (found, expected) = (shape, D);
        return Err(ImageError::Dimensions { found, expected });
    }
    let data = TensorData::new(array.iter().copied().collect(), shape);
    let dtype = data.dtype();
    Ok(Tensor::from_data(data, (device, dtype)))
}

fn tensor<const D: usize>(data: TensorData, device: &Device) -> Result<Tensor<D>, String> {
    let shape: Vec<usize> = data.shape().to_vec();
    match shape.len() == D {
        true => {
            let dtype = data.dtype();
            Ok(Tensor::from_data(data, (device, dtype)))
        }
        false => Err(format!(
            "an array of shape {shape:?}, expected {D} dimensions"
        )),
    }
}

/// Reads the arrays of a `.npz` archive.
fn unzip(bytes: Vec<u8>) -> Result<Vec<(String, TensorData)>, String> {
    let mut file = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let (mut arrays, mut left) = (Vec::new(), MOST_BYTES);
    for index in 0..file.len() {
        let entry = file.by_index(index).map_err(|error| error.to_string())?;
        let name = entry
            .name()
            .map_err(|error| error.to_string())?
            .into_owned();
        let mut bytes = Vec::new();
        let read = entry.take(left + 1).read_to_end(&mut bytes);
        let read = read.map_err(|error| format!("{name}: {error}"))?;
        let too_large = || format!("{name}: the arrays have more than {MOST_BYTES} bytes");
        left = left.checked_sub(read as u64).ok_or_else(too_large)?;
        let array = parse(&bytes).map_err(|message| format!("{name}: {message}"))?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// Parses a `.npy` file in memory. Sizes in the header are checked against the number of bytes.
fn parse(bytes: &[u8]) -> Result<TensorData, String> {
    // From version 2 on, the length of the header has 32 bits, and the parser allocates that much
    // before it reads.
    let length = bytes.get(8..).and_then(|rest| rest.first_chunk());
    if let (Some(2..), Some(length)) = (bytes.get(6), length) {
        let length = u32::from_le_bytes(*length);
        if length as usize > bytes.len() {
            return Err(format!("a header of {length} bytes"));
        }
    }
    // The parser borrows the values, which start at a multiple of 64 bytes, so the buffer has to be
    // aligned.
    let mut aligned = vec![0_u64; bytes.len().div_ceil(8)];
    let place: &mut [u8] = bytemuck::cast_slice_mut(&mut aligned);
    place[..bytes.len()].copy_from_slice(bytes);
    let bytes = &place[..bytes.len()];
    macro_rules! kinds {
        ($($kind:ty => $convert:expr),* $(,)?) => {
            $(match ArrayViewD::<$kind>::view_npy(bytes) {
                Ok(view) => {
                    let values = view.iter().copied().map($convert).collect();
                    return Ok(TensorData::new(values, view.shape().to_vec()));
                }
                Err(ViewNpyError::WrongDescriptor(_)) => {}
                Err(error) => return Err(error.to_string()),
            })*
        };
    }
    kinds!(
        f32 => |x: f32| x,
        f64 => |x: f64| x,
        u8 => f32::from,
        bool => |x: bool| f32::from(u8::from(x)),
        u16 => f32::from,
        i8 => f32::from,
        i16 => f32::from,
        i32 => |x: i32| x as f32,
        u32 => |x: u32| x as f32,
        i64 => |x: i64| x as f32,
        u64 => |x: u64| x as f32,
    );
    Err(match ArrayViewD::<f32>::view_npy(bytes) {
        Err(ViewNpyError::WrongDescriptor(kind)) => format!("values of the kind {kind}"),
        _ => "not an array".into(),
    })
}

/// Encodes a tensor as a `.npy` file.
fn encoded(data: TensorData) -> Result<Vec<u8>, String> {
    fn of<E: Element + ndarray_npy::WritableElement>(data: &TensorData) -> Result<Vec<u8>, String> {
        let shape = IxDyn(&data.shape().to_vec());
        let array = ArrayD::from_shape_vec(shape, data.iter::<E>().collect());
        let mut bytes = Vec::new();
        let array = array.map_err(|error| error.to_string())?;
        array
            .write_npy(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
    match data.dtype() {
        DType::F64 => of::<f64>(&data),
        _ => of::<f32>(&data),
    }
}
