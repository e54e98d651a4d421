//! Group normalisation with a scale, shifts and an activation, in one pass over the image.
//!
//! # Reference
//! Wu & He 2018, "Group normalization", arXiv:1803.08494.

#[cfg(feature = "cube")]
mod device;
#[cfg(any(feature = "flex", feature = "cube"))]
mod extension;
#[cfg(feature = "flex")]
mod host;

use burn::tensor::{Tensor, activation};
#[cfg(feature = "flex")]
pub(crate) use host::{squares, total};

/// The settings of a group normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormalisation {
    /// The number of groups of neighbouring channels.
    pub groups: usize,
    /// A constant that is added to the variance.
    pub epsilon: f64,
    /// Whether a `silu` activation follows.
    pub silu: bool,
}

/// Computes `y = act(a (x + b − mean)/√(variance + ε) + d)`.
///
/// `x` is `[batch, channels, height, width]`. Mean and variance are those of `x + b`, over the
/// channels and pixels of each group. `a`, `b` and `d` hold one value for each image and channel,
/// `[batch, channels]`; a missing `b` counts as 0.
///
/// # Panics
/// If a vector has another shape, or if the number of groups does not divide the channels.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::{GroupNormalisation, group_norm};
///
/// let device = Device::flex();
/// let x = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, 4.0]]]], &device);
/// let (one, zero) = (Tensor::ones([1, 1], &device), Tensor::zeros([1, 1], &device));
/// let how = GroupNormalisation { groups: 1, epsilon: 0.0, silu: false };
/// let y: Vec<f32> = group_norm(x, one, None, zero, how).into_data().iter().collect();
/// assert!((y[3] - 1.5 / 1.25_f32.sqrt()).abs() < 1e-6);
/// ```
#[must_use]
pub fn group_norm(
    x: Tensor<4>,
    a: Tensor<2>,
    b: Option<Tensor<2>>,
    d: Tensor<2>,
    how: GroupNormalisation,
) -> Tensor<4> {
    let [n, c, ..] = x.dims();
    let vectors = || [Some(&a), b.as_ref(), Some(&d)].into_iter().flatten();
    assert!(
        vectors().all(|vector| vector.dims() == [n, c]),
        "group norm: one number for each of {n} images and {c} channels"
    );
    assert!(
        how.groups > 0 && c.is_multiple_of(how.groups),
        "group norm: {} groups of {c} channels",
        how.groups
    );
    #[cfg(any(feature = "flex", feature = "cube"))]
    let same = vectors().all(|vector| vector.dtype() == x.dtype());
    #[cfg(feature = "cube")]
    let some = x.dims().iter().all(|&n| n > 0);
    #[cfg(feature = "flex")]
    if same && crate::on_host(&x) {
        return extension::normalise(x, a, b, d, how);
    }
    #[cfg(feature = "cube")]
    if some && same && crate::device::takes(&x) {
        return extension::normalise(x, a, b, d, how);
    }
    composed(x, a, b, d, how)
}

/// Composes the normalisation of tensor operations.
fn composed(
    x: Tensor<4>,
    a: Tensor<2>,
    b: Option<Tensor<2>>,
    d: Tensor<2>,
    how: GroupNormalisation,
) -> Tensor<4> {
    let shape = x.dims();
    let pixels = |vector: Tensor<2>| vector.unsqueeze_dims::<4>(&[2, 3]);
    let x = match b {
        Some(b) => x + pixels(b),
        None => x,
    };
    let x = x.reshape([shape[0] as i32, how.groups as i32, -1]);
    let (variance, mean) = x.clone().var_mean_bias(2);
    let normal: Tensor<3> = (x - mean) / (variance + how.epsilon).sqrt();
    let y = normal.reshape(shape) * pixels(a) + pixels(d);
    if how.silu { activation::silu(y) } else { y }
}

#[cfg(test)]
mod tests;
