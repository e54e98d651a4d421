//! Recorded tensors.

use crate::error::{GoldenError, lacks};
use safetensors::Dtype;
use tweedie::burn::tensor::{Bytes, DType, Device, Tensor, TensorData};

/// One recorded tensor.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The shape.
    pub(crate) shape: Vec<usize>,
    /// The values in row-major order.
    pub(crate) values: Vec<f64>,
}

impl Recorded {
    /// Returns the tensor in a dtype of the library.
    pub(crate) fn tensor<const D: usize>(&self, dtype: DType) -> Result<Tensor<D>, GoldenError> {
        let shape: [usize; D] = self.shape.clone().try_into().map_err(|shape: Vec<usize>| {
            lacks(format!("{D} dimensions in a tensor of shape {shape:?}"))
        })?;
        let data = TensorData::new(self.values.clone(), shape);
        Ok(Tensor::from_data(data, (&Device::flex(), dtype)))
    }

    /// Returns the largest size of a value.
    pub(crate) fn largest(&self) -> f64 {
        self.values
            .iter()
            .fold(0.0, |most: f64, x| most.max(x.abs()))
    }

    /// Returns part `i` along the first dimension.
    pub(crate) fn part(&self, i: usize) -> Self {
        let length: usize = self.shape[1..].iter().product();
        Self {
            shape: self.shape[1..].to_vec(),
            values: self.values[i * length..(i + 1) * length].to_vec(),
        }
    }

    /// Returns all parts along the first dimension.
    pub(crate) fn parts(&self) -> Vec<Self> {
        (0..self.shape[0]).map(|i| self.part(i)).collect()
    }

    /// Returns a matrix by its rows.
    pub(crate) fn rows(&self) -> Vec<Vec<f64>> {
        self.parts().into_iter().map(|row| row.values).collect()
    }
}

/// Returns the values of a tensor; `None` for a dtype that no record has.
pub(crate) fn values(dtype: Dtype, data: &[u8], length: usize) -> Option<Vec<f64>> {
    fn each<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let chunks = data
            .chunks_exact(N)
            .filter_map(|chunk| chunk.try_into().ok());
        chunks.map(read).collect()
    }
    Some(match dtype {
        Dtype::F64 => each(data, f64::from_le_bytes),
        Dtype::F32 => each(data, |bytes| f32::from_le_bytes(bytes).into()),
        Dtype::I64 => each(data, |bytes| i64::from_le_bytes(bytes) as f64),
        Dtype::I32 => each(data, |bytes| i32::from_le_bytes(bytes).into()),
        Dtype::F16 => {
            let data = Bytes::from_bytes_vec(data.to_vec());
            let values = TensorData::try_from_bytes(data, [length], DType::F16).ok()?;
            values.iter::<f64>().collect()
        }
        Dtype::U8 | Dtype::BOOL => data.iter().map(|&byte| byte.into()).collect(),
        _ => return None,
    })
}
