//! Per-sample columns and sums, and dtypes.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};

/// Returns one number per sample as a tensor `[batch, 1, …]` that broadcasts against `like`.
///
/// The tensor has the device and dtype of `like`.
///
/// # Panics
/// If `values` does not have one value per sample.
#[must_use]
pub fn column<const D: usize>(values: &[f64], like: &Tensor<D>) -> Tensor<D> {
    let batch = like.dims()[0];
    assert_eq!(values.len(), batch, "one value per sample of the batch");
    let mut shape = [1; D];
    shape[0] = batch;
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

/// Flattens each sample to a row: `[batch, …]` to `[batch, values]`.
pub(crate) fn rows<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    let shape = x.dims();
    let values = shape[1..].iter().product();
    x.reshape([shape[0], values])
}

/// Sums over all dimensions except the batch: `[batch, …]` to `[batch]`.
#[must_use]
pub fn per_sample_sum<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    rows(x).sum_dim(1).squeeze_dim::<1>(1)
}

/// The accumulation dtype for `dtype`: f32 for half precision.
#[must_use]
pub fn accumulation_dtype(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        _ => dtype,
    }
}

/// The dtype of a module's first initialised parameter; `None` if none is initialised.
#[must_use]
pub fn parameter_dtype<M: Module>(module: &M) -> Option<DType> {
    struct First(Option<DType>);
    impl ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.0.is_none() && param.is_initialized() {
                self.0 = Some(param.val().dtype());
            }
        }
    }
    let mut first = First(None);
    module.visit(&mut first);
    first.0
}
