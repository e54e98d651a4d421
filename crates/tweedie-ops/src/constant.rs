//! Constant arrays of an operation: stored in double precision, converted to each device and dtype
//! on first use.

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Mutex;

/// An array of `f64` with cached copies for each device and dtype.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::Constant;
///
/// let weights = Constant::new(vec![1.0, 2.0], [1, 2]);
/// let x = Tensor::<2>::ones([3, 2], &Device::flex());
/// assert_eq!((x.clone() * weights.beside(&x)).sum().into_scalar::<f64>(), 9.0);
/// ```
#[derive(Debug)]
pub struct Constant<const D: usize> {
    values: Vec<f64>,
    shape: [usize; D],
    copies: Mutex<Vec<(Device, DType, Tensor<D>)>>,
}

impl<const D: usize> Clone for Constant<D> {
    fn clone(&self) -> Self {
        Self::new(self.values.clone(), self.shape)
    }
}

impl<const D: usize> PartialEq for Constant<D> {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.values == other.values
    }
}

/// The serialised form of a constant.
#[derive(Serialize, Deserialize)]
struct WrittenConstant {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl<const D: usize> Serialize for Constant<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (shape, values) = (self.shape.to_vec(), self.values.clone());
        WrittenConstant { shape, values }.serialize(serializer)
    }
}

impl<'de, const D: usize> Deserialize<'de> for Constant<D> {
    fn deserialize<S: Deserializer<'de>>(deserializer: S) -> Result<Self, S::Error> {
        let WrittenConstant { shape, values } = WrittenConstant::deserialize(deserializer)?;
        let found: Result<[usize; D], _> = shape.try_into();
        let shape =
            found.map_err(|shape| S::Error::custom(format!("{shape:?} has not {D} dimensions")))?;
        let count = shape
            .iter()
            .try_fold(1_usize, |count, &n| count.checked_mul(n));
        if count != Some(values.len()) {
            let message = format!("{} values in an array of shape {shape:?}", values.len());
            return Err(S::Error::custom(message));
        }
        Ok(Self::new(values, shape))
    }
}

impl<const D: usize> Constant<D> {
    /// Creates the array with `values` in row-major order.
    ///
    /// # Panics
    /// If the number of values is not the number of elements of the shape.
    #[must_use]
    pub fn new(values: Vec<f64>, shape: [usize; D]) -> Self {
        let mut sides = shape.iter();
        let count = sides.try_fold(1_usize, |count, &side| count.checked_mul(side));
        assert_eq!(
            Some(values.len()),
            count,
            "values for an array of shape {shape:?}"
        );
        Self {
            values,
            shape,
            copies: Mutex::default(),
        }
    }

    /// Returns the values in row-major order.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns the shape.
    #[must_use]
    pub fn shape(&self) -> [usize; D] {
        self.shape
    }

    /// Returns the array with `f` applied to every value.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self::new(
            self.values.iter().map(|&value| f(value)).collect(),
            self.shape,
        )
    }

    /// Returns the array as a tensor on the device and in the dtype of `like`.
    ///
    /// The tensor is not tracked by autodiff.
    #[must_use]
    pub fn beside<const E: usize>(&self, like: &Tensor<E>) -> Tensor<D> {
        // The copy is a constant for autodiff, so one copy serves tensors with and without
        // gradients.
        let (device, dtype) = (like.device().without_autodiff(), like.dtype());
        // The copies stay valid if another thread panicked while it held the lock.
        let mut copies = self.copies.lock().unwrap_or_else(|held| held.into_inner());
        let same =
            |(at, precision, _): &&(Device, DType, Tensor<D>)| *at == device && *precision == dtype;
        if let Some((.., copy)) = copies.iter().find(same) {
            return copy.clone();
        }
        let data = TensorData::new(self.values.clone(), self.shape);
        let copy = Tensor::from_data(data, (&device, dtype));
        copies.push((device, dtype, copy.clone()));
        copy
    }
}
