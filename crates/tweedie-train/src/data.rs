//! Training data.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// A finite set of examples that can be stacked into batches. Its size must not change during a
/// run.
///
/// Implemented for tensors `[count, …]`. Implement it for data that do not fit into memory, over a
/// burn `Dataset` or any other source.
pub trait Examples<const D: usize> {
    /// The number of examples.
    fn len(&self) -> usize;

    /// Whether there are no examples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stacks the examples with the given indices: `[indices.len(), …]`, on `device`.
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
