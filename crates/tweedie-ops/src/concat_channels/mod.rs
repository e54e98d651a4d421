//! Concatenation of two images along their channels.

#[cfg(feature = "cube")]
mod device;
#[cfg(any(feature = "flex", feature = "cube"))]
mod extension;
#[cfg(feature = "flex")]
mod host;
#[cfg(test)]
mod tests;

use burn::tensor::Tensor;

/// Concatenates two images along their channels, those of `a` first.
///
/// Takes `[n, i, h, w]` and `[n, j, h, w]` and returns `[n, i + j, h, w]`.
///
/// The gradients are contiguous tensors, not views of the joint gradient: every operation that
/// reads such a view would copy it again.
///
/// # Panics
/// If the images differ in number, height or width.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::concat_channels;
///
/// let image = |value: f32| Tensor::<4>::full([1, 1, 1, 2], value, &Device::flex());
/// let joint: Vec<f32> = concat_channels(image(1.0), image(2.0)).into_data().iter().collect();
/// assert_eq!(joint, [1.0, 1.0, 2.0, 2.0]);
/// ```
#[must_use]
pub fn concat_channels(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    let ([n, _, h, w], [m, _, height, width]) = (a.dims(), b.dims());
    assert!(
        [n, h, w] == [m, height, width],
        "concat_channels: images {:?} and {:?}",
        a.dims(),
        b.dims()
    );
    #[cfg(any(feature = "flex", feature = "cube"))]
    {
        let some = [&a, &b].iter().all(|x| x.shape().num_elements() > 0);
        #[cfg(feature = "cube")]
        let some = some && (crate::on_host(&a) || crate::device::counts(&[&a.dims(), &b.dims()]));
        if some && a.dtype() == b.dtype() && [&a, &b].into_iter().all(crate::has_kernel) {
            return extension::concat_channels(a, b);
        }
    }
    Tensor::cat(vec![a, b], 1)
}
