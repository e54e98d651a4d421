//! Measurement operators: maps from signals to measurements. One operator per file.
//!
//! | operator | what is measured | `A⁺`, `solve` |
//! |---|---|---|
//! | [`Identity`] | every value: denoising | closed form |
//! | [`Mask`] | a subset of pixels: all but a box or a half, lines, random, Bayer | closed form |
//! | [`ChannelMix`], [`Channels`] | mixed or selected channels | closed form |
//! | [`CircularBlur`] | a circular convolution | closed form |
//! | [`Blur`], [`VaryingBlur`] | a convolution with any padding; a varying one | iterative |
//! | [`Separable`], [`AveragePool`] | a smaller or larger image, with any filter | closed form |
//! | [`Transform`] | Hadamard, cosine, sine or Fourier coefficients | closed form |
//! | [`Sampled`] | a subset of such coefficients | closed form |
//! | [`MultiCoil`] | some Fourier coefficients of several coils, of an image or a volume; [`Espirit`] finds the coils | iterative |
//! | [`Tomography`], [`FanBeam`] | sums along rays, parallel or from a source | iterative; filtered back-projection |
//! | [`Matrix`] | products with a matrix | closed form up to 1,024 rows and columns; iterative above |
//! | [`Compose`], [`Stack`] | compositions; [`pansharpen`] is one | iterative |
//! | [`Scaled`] | a multiple of an operator | as that operator |
//! | [`Slices`] | slices of a volume or frames of a film, by any of these | iterative |
//! | [`VolumeBlur`] | a circular convolution of a volume | closed form |
//! | [`ConeBeam`] | sums of a volume along rays from a source | iterative |
//! | [`FourierPhase`], [`RandomPhase`], [`Ptychography`] | magnitudes of complex coefficients | not linear |
//! | [`Saturation`], [`Gamma`], [`Jpeg`] | saturation, gamma correction, compression; [`blur_in_linear_light`] | not linear |
//! | [`BlindBlur`] | a convolution with a kernel that is a part of the signal | not linear |

#[macro_use]
mod any;

pub(crate) mod error;
pub(crate) mod spectral;
mod svd;

pub(crate) mod adjoint;
mod blind_blur;
mod blur;
mod channel_mix;
mod channels;
mod circular_blur;
mod compose;
mod cone_beam;
mod espirit;
mod fan_beam;
mod gamma;
mod identity;
mod jpeg;
mod linear;
mod linear_light;
mod mask;
mod matrix;
mod mri;
mod norm;
mod padding;
mod pansharpen;
mod phase;
mod point_spread;
mod pool;
mod ptychography;
mod resample;
mod sampled;
mod saturation;
mod scaled;
mod separable;
mod slices;
mod stack;
mod tomography;
mod transform;
mod varying_blur;
mod volume_blur;
mod zernike;

use crate::solver::{ConjugateGradient, Solution, SolveError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use adjoint::adjoint_gap;
pub use blind_blur::BlindBlur;
pub use blur::Blur;
pub use channel_mix::ChannelMix;
pub use channels::Channels;
pub use circular_blur::CircularBlur;
pub use compose::Compose;
pub use cone_beam::ConeBeam;
pub use error::OperatorError;
pub use espirit::Espirit;
pub use fan_beam::FanBeam;
pub use gamma::Gamma;
pub use identity::Identity;
pub use jpeg::Jpeg;
pub use linear::Linear;
pub use linear_light::blur_in_linear_light;
pub(crate) use mask::unit;
pub use mask::{Bayer, Mask, Side};
pub use matrix::Matrix;
pub use mri::MultiCoil;
pub use norm::{Norm, operator_norm};
pub use padding::Padding;
pub use pansharpen::pansharpen;
pub use phase::{FourierPhase, RandomPhase, Reading};
pub use point_spread::PointSpread;
pub use pool::AveragePool;
pub use ptychography::Ptychography;
pub use resample::Taps;
pub use sampled::Sampled;
pub use saturation::Saturation;
pub use scaled::Scaled;
pub use separable::Separable;
pub use slices::Slices;
pub use spectral::Spectral;
pub use stack::Stack;
pub use tomography::Tomography;
pub use transform::{Basis, Transform};
pub use varying_blur::{VaryingBlur, WeightOrder};
pub use volume_blur::VolumeBlur;

linear_operators! {
    /// The identity, for denoising.
    Identity(Identity),
    /// A mask, for inpainting and demosaicing.
    Mask(Mask<4>),
    /// A matrix that mixes channels.
    ChannelMix(ChannelMix),
    /// A selection of channels.
    Channels(Channels),
    /// A blur with any padding.
    Blur(Blur),
    /// A circular convolution.
    CircularBlur(CircularBlur),
    /// A blur that varies over the image.
    VaryingBlur(VaryingBlur),
    /// Average pooling.
    AveragePool(AveragePool),
    /// Resampling: a matrix for rows and one for columns.
    Separable(Separable),
    /// A matrix.
    Matrix(Matrix),
    /// An orthogonal transform.
    Transform(Transform),
    /// A subset of the coefficients of an orthogonal transform.
    Sampled(Sampled),
    /// Multi-coil magnetic resonance imaging.
    MultiCoil(MultiCoil<4>),
    /// Parallel-beam tomography.
    Tomography(Tomography),
    /// Fan-beam tomography.
    FanBeam(FanBeam),
    /// The composition of two operators.
    Compose(Box<Compose<AnyLinear, AnyLinear>>),
    /// Several operators applied to one signal.
    Stack(Stack<AnyLinear>),
    /// An operator times a factor.
    Scaled(Box<Scaled<AnyLinear>>),
}

operators! {
    /// A linear operator.
    Linear(AnyLinear),
    /// The magnitude or intensity of a Fourier transform.
    FourierPhase(FourierPhase),
    /// The magnitude or intensity of a random transform.
    RandomPhase(RandomPhase),
    /// A sensor that saturates.
    Saturation(Saturation),
    /// Magnitudes of the Fourier transforms of overlapping parts.
    Ptychography(Ptychography),
    /// A power law, `x^γ`.
    Gamma(Gamma),
    /// JPEG compression.
    Jpeg(Jpeg),
    /// A blur whose kernel is a part of the signal.
    BlindBlur(BlindBlur),
    /// The composition of two operators, not both linear.
    Compose(Box<Compose<AnyOperator, AnyOperator>>),
}

/// A map from signals `[batch, …]` to measurements `[batch, …]`, sample by sample.
///
/// Implementations define [`output_shape`](Self::output_shape) and
/// [`apply_unchecked`](Self::apply_unchecked). Callers use [`apply`](Self::apply), which checks the
/// shape.
pub trait Operator<const D: usize> {
    /// The shape of the measurement of a signal of shape `signal`.
    ///
    /// # Errors
    /// [`OperatorError::Shape`], with the shape that the operator takes.
    fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError>;

    /// Like [`apply`](Self::apply), without a check of the shape.
    fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D>;

    /// `A x`.
    ///
    /// # Panics
    /// If [`output_shape`](Self::output_shape) returns an error, with its message.
    fn apply(&self, x: Tensor<D>) -> Tensor<D> {
        if let Err(error) = self.output_shape(x.dims()) {
            panic!("{error}");
        }
        self.apply_unchecked(x)
    }

    /// Sets to 0 the entries of `y` that the operator never measures.
    ///
    /// These are the entries where `(A x)ᵢ = 0` for every `x`, such as the hole of a mask. They
    /// carry no information, whatever their noise.
    ///
    /// The default returns `y` unchanged. Every operator does so if `y` does not have the shape of
    /// a measurement.
    fn observed(&self, y: Tensor<D>) -> Tensor<D> {
        y
    }

    /// `x ↦ B (A x)`.
    fn then<B: Operator<D>>(self, next: B) -> Compose<Self, B>
    where
        Self: Sized,
    {
        Compose::new(self, next)
    }

    /// `x ↦ factor · A x`.
    ///
    /// # Panics
    /// Unless the factor is 0, or from 10⁻¹⁸ to 10¹⁸ in magnitude.
    fn scaled(self, factor: f64) -> Scaled<Self>
    where
        Self: Sized,
    {
        Scaled::new(self, factor)
    }
}

/// Forwards the methods of `Operator` to the pointee.
macro_rules! pointer {
    () => {
        fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError> {
            (**self).output_shape(signal)
        }
        fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D> {
            (**self).apply_unchecked(x)
        }
        fn observed(&self, y: Tensor<D>) -> Tensor<D> {
            (**self).observed(y)
        }
    };
}

impl<const D: usize, A: Operator<D> + ?Sized> Operator<D> for &A {
    pointer!();
}

impl<const D: usize, A: Operator<D> + ?Sized> Operator<D> for Arc<A> {
    pointer!();
}

impl<const D: usize, A: Operator<D> + ?Sized> Operator<D> for Box<A> {
    pointer!();
}
