//! What a network is trained on.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// A finite set of examples that can be stacked into batches. A run expects as many of them at its
/// end as at its beginning.
///
/// A tensor `[count, …]` is one. Data that do not fit into memory implement this themselves, over
/// a burn `Dataset` or anything else.
pub trait Examples<const D: usize> {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples of the given numbers, stacked: `[indices.len(), …]`, on `device`.
    fn batch(&self, indices: &[usize], device: &Device) -> Tensor<D>;
}

impl<const D: usize> Examples<D> for Tensor<D> {
    fn len(&self) -> usize {
        self.dims()[0]
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Self {
        let indices: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
        let count = indices.len();
        let indices = TensorData::new(indices, [count]);
        let indices = Tensor::<1, Int>::from_data(indices, &self.device());
        self.clone().select(0, indices).to_device(device)
    }
}
