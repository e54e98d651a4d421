//! Operations that burn lacks, or that can be made faster, on any device, in any precision.
//!
//! | operation | function |
//! |---|---|
//! | the unitary Fourier transform of complex images of any size | [`fft2`], [`fft2_centred`] |
//! | circular convolution with a real kernel | [`CircularFilter`] |
//! | convolution of network layers | [`conv2d`] |
//! | concatenation of two images along channels | [`concat_channels`] |
//! | scaled dot-product attention | [`attention`] |
//! | group normalisation with scale, shifts and activation | [`group_norm`] |
//! | `x/(1 + e⁻ˣ)` | [`silu`] |
//! | `x W + b` for few rows | [`linear`] |
//! | parallel and fan-beam projections of an image, cone-beam ones of a volume, their transposes | [`Projector`], [`Cone`] |
//! | training: AdamW, averages, norms | [`adamw`], [`average`], [`scaled`], [`add_squares`] |
//!
//! All but the last row have gradients. On burn's CPU backend (feature `flex`) all but [`linear`]
//! run a kernel on host memory, over all cores. On GPUs (feature `cube`) there are kernels for all
//! but Fourier transforms, filters, projections and [`scaled`], and for linear layers of few rows.
//! Everything else is composed of burn's operations. The gradient of a linear map is its transpose.

mod attention;
mod concat_channels;
mod cone;
mod constant;
mod convolution;
#[cfg(feature = "cube")]
mod device;
#[cfg(test)]
mod draw;
mod fourier;
mod group_norm;
#[cfg(feature = "flex")]
mod host;
#[cfg(feature = "flex")]
mod layout;
mod linear;
#[cfg(feature = "flex")]
mod product;
mod projector;
#[cfg(feature = "flex")]
mod scratch;
#[cfg(feature = "flex")]
mod shared;
mod silu;
#[cfg(any(feature = "flex", feature = "cube"))]
mod source;
mod vectors;

use burn::tensor::Tensor;

pub use attention::attention;
pub use concat_channels::concat_channels;
pub use cone::Cone;
pub use constant::Constant;
pub use convolution::{ConvGeometry, conv2d};
pub use fourier::{CircularFilter, Sign, fft2, fft2_centred};
pub use group_norm::{GroupNormalisation, group_norm};
pub use linear::linear;
pub use projector::Projector;
pub use silu::silu;
pub use vectors::{AdamWStep, adamw, add_squares, average, scaled};

/// Returns whether a custom kernel exists for this tensor's backend and dtype.
///
/// The kernels take `f32` on burn's CPU backend, `f32` and half precision on GPUs. Otherwise burn's
/// operations are used. (Networks in bf16 gave wrong results on the one Vulkan driver they were
/// compared on, see `docs/BENCHMARKS.md`.)
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<1>::ones([3], &Device::flex());
/// assert_eq!(tweedie_ops::has_kernel(&x), cfg!(feature = "flex"));
/// ```
#[must_use]
pub fn has_kernel<const D: usize>(x: &Tensor<D>) -> bool {
    let served = on_host(x);
    #[cfg(feature = "cube")]
    let served = served || device::takes(x);
    served
}

/// Returns whether a CPU kernel exists for this tensor.
fn on_host<const D: usize>(x: &Tensor<D>) -> bool {
    #[cfg(feature = "flex")]
    return x.dtype() == burn::tensor::DType::F32 && host::is_host(x);
    #[cfg(not(feature = "flex"))]
    return {
        let _ = x;
        false
    };
}
