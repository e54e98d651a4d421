//! Operations that burn does not have, or not as fast, on any device, in any precision, with
//! gradients.
//!
//! | operation | function |
//! |---|---|
//! | the unitary Fourier transform of complex images of any size | [`fft2`], [`fft2_centred`] |
//! | circular convolution with a real kernel | [`CircularFilter`] |
//! | convolution with many channels, the layer of networks | [`conv2d`] |
//! | group normalisation with what stands around it | [`group_norm`] |
//! | `x/(1 + e⁻ˣ)` | [`silu`] |
//! | parallel projections of an image, and their transpose | [`Projector`] |
//!
//! On burn's CPU backend (feature `flex`) each runs a kernel on host memory, over all cores; on every
//! other device it is composed of tensor operations. The gradient of a linear
//! map is its transpose.

mod constant;
mod convolution;
mod fourier;
mod group_norm;
#[cfg(feature = "flex")]
mod host;
mod projector;
mod silu;

pub use constant::Constant;
pub use convolution::{PackedWeights, Window, conv2d};
pub use fourier::{CircularFilter, Sign, fft2, fft2_centred};
pub use group_norm::{GroupNormalisation, group_norm};
pub use projector::Projector;
pub use silu::silu;
