//! The kernels as operations on tensors without gradients.

use super::AdamWStep;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchTensorKind, backend_extension};
use burn::tensor::Tensor;

/// Returns whether a kernel takes all of these tensors: none is empty or tracked by autodiff, and
/// all have one dtype.
pub(super) fn takes<const D: usize>(tensors: &[&Tensor<D>]) -> bool {
    tensors.iter().all(|&tensor| {
        let plain = !matches!(
            tensor.clone().into_dispatch().kind,
            DispatchTensorKind::Autodiff(_)
        );
        let some = tensor.shape().num_elements() > 0;
        plain && some && tensor.dtype() == tensors[0].dtype() && crate::has_kernel(tensor)
    })
}

pub(super) fn adamw<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    [m, v]: [Tensor<D>; 2],
    step: AdamWStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let [parameter, gradient, m, v] = [parameter, gradient, m, v].map(Tensor::into_dispatch);
    let (parameter, m, v) = Dispatch::adamw(parameter, gradient, m, v, step);
    let [parameter, m, v] = [parameter, m, v].map(Tensor::from_dispatch);
    (parameter, [m, v])
}

/// Computes `keep·old + (1 − keep)·new`.
pub(super) fn average<const D: usize>(old: Tensor<D>, new: Tensor<D>, keep: f64) -> Tensor<D> {
    let [old, new] = [old, new].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::average(old, new, keep))
}

pub(super) fn add_squares<const D: usize>(sum: Tensor<1>, x: Tensor<D>) -> Tensor<1> {
    let (sum, x) = (sum.into_dispatch(), x.into_dispatch());
    Tensor::from_dispatch(Dispatch::add_squares(sum, x))
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(all(feature = "cube", feature = "fusion"))
)]
pub(crate) trait Vectors: Backend {
    /// Returns the parameter and its moments after a step.
    #[fusion(meta = |parameter, _, m, v, _| (parameter.clone(), m.clone(), v.clone()))]
    fn adamw(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Computes `keep·old + (1 − keep)·new`.
    #[fusion(dtype = old, shape = old)]
    fn average(old: FloatTensor<Self>, new: FloatTensor<Self>, keep: f64) -> FloatTensor<Self>;

    /// Computes `sum + Σ x²`, with the sum in `f32`.
    #[fusion(dtype = sum, shape = sum)]
    fn add_squares(sum: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;
}
