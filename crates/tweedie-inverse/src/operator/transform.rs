//! Orthogonal transforms: `AᵀA = A Aᵀ = I`.
//!
//! A real transform multiplies by two orthogonal matrices, `C_h X C_wᵀ`. The Fourier transform
//! takes complex images, real part in channel 0 and imaginary part in channel 1. Its zero frequency
//! is in the centre, as in MRI.

use super::error::{OperatorError, fits, pixels, require, sized};
use super::spectral::{Spectral, closed_form};
use super::{Linear, Operator, Solution, SolveError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::sync::{Arc, OnceLock};
use tweedie_ops::{Constant, Sign, fft2_centred};

/// The basis of an orthogonal transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// Walsh–Hadamard in natural order, `(−1)^{popcount(i & j)}/√n`; sizes are powers of two.
    Hadamard,
    /// DCT-II: `√(2/n) cos(π (j + ½) k/n)`, the first row divided by `√2`.
    Cosine,
    /// DST-I: `√(2/(n+1)) sin(π (j+1)(k+1)/(n+1))`.
    Sine,
    /// The unitary, centred Fourier transform of complex images, `1/√(hw) e^{−2πi …}`.
    Fourier,
}

/// An orthogonal transform of every channel of images of one size.
///
/// [`Basis::Fourier`] transforms every pair of channels.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_inverse::operator::{Basis, Linear, Operator, Transform};
///
/// let transform = Transform::new(Basis::Cosine, [6, 10])?;
/// let x = Tensor::<4>::random([1, 3, 6, 10], Distribution::Default, &Device::flex());
/// let back = transform.adjoint(transform.apply(x.clone()));
/// assert!((back - x).abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "TransformRecipe", into = "TransformRecipe")]
pub struct Transform {
    basis: Basis,
    size: [usize; 2],
    /// `C_h` and `C_w`; empty for Fourier.
    matrices: Arc<OnceLock<[Constant<2>; 2]>>,
}

#[derive(Serialize, Deserialize)]
struct TransformRecipe {
    basis: Basis,
    size: [usize; 2],
}

impl TryFrom<TransformRecipe> for Transform {
    type Error = OperatorError;

    fn try_from(recipe: TransformRecipe) -> Result<Self, OperatorError> {
        Self::new(recipe.basis, recipe.size)
    }
}

impl From<Transform> for TransformRecipe {
    fn from(transform: Transform) -> Self {
        let Transform { basis, size, .. } = transform;
        Self { basis, size }
    }
}

impl PartialEq for Transform {
    fn eq(&self, other: &Self) -> bool {
        self.basis == other.basis && self.size == other.size
    }
}

impl Transform {
    /// The transform of images of `size` (height, width).
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a size of 0, a size above 4,096 for a real transform, or
    /// one that is not a power of two for [`Basis::Hadamard`].
    pub fn new(basis: Basis, size: [usize; 2]) -> Result<Self, OperatorError> {
        pixels(size)?;
        for n in size {
            let few = basis == Basis::Fourier || n <= 1 << 12;
            require(
                "size of a transform by a matrix",
                n as f64,
                "at most 4,096",
                few,
            )?;
            let power = basis != Basis::Hadamard || n.is_power_of_two();
            require(
                "Hadamard transform's size",
                n as f64,
                "a power of two",
                power,
            )?;
        }
        Ok(Self {
            basis,
            size,
            matrices: Arc::default(),
        })
    }

    /// The height and width of the images.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    fn run(&self, x: Tensor<4>, inverse: bool) -> Tensor<4> {
        if self.basis == Basis::Fourier {
            return centred(
                x,
                if inverse {
                    Sign::Inverse
                } else {
                    Sign::Forward
                },
            );
        }
        // Matrices are built on first use, since a file may declare operators that are never used.
        let matrices = self
            .matrices
            .get_or_init(|| self.size.map(|n| matrix(self.basis, n)));
        let [rows, columns] = matrices.each_ref().map(|m| m.beside(&x).unsqueeze::<4>());
        match inverse {
            false => rows.matmul(x).matmul(columns.transpose()),
            true => rows.transpose().matmul(x).matmul(columns),
        }
    }
}

/// The matrix of a real transform.
fn matrix(basis: Basis, n: usize) -> Constant<2> {
    let entry = |k: usize, j: usize| -> f64 {
        match basis {
            Basis::Hadamard if (k & j).count_ones().is_multiple_of(2) => 1.0 / (n as f64).sqrt(),
            Basis::Hadamard => -1.0 / (n as f64).sqrt(),
            Basis::Cosine if k == 0 => 1.0 / (n as f64).sqrt(),
            Basis::Cosine => {
                (2.0 / n as f64).sqrt() * (PI * (j as f64 + 0.5) * k as f64 / n as f64).cos()
            }
            Basis::Sine => {
                let m = (n + 1) as f64;
                (2.0 / m).sqrt() * (PI * ((j + 1) * (k + 1)) as f64 / m).sin()
            }
            Basis::Fourier => 0.0,
        }
    };
    match basis {
        Basis::Fourier => Constant::new(Vec::new(), [0, 0]),
        _ => Constant::new((0..n * n).map(|i| entry(i / n, i % n)).collect(), [n, n]),
    }
}

/// The unitary Fourier transform of pairs of channels, centred in both domains.
pub(crate) fn centred(z: Tensor<4>, sign: Sign) -> Tensor<4> {
    let [b, c, h, w] = z.dims();
    fft2_centred(z.reshape([b * c / 2, 2, h, w]), sign).reshape([b, c, h, w])
}

/// The unitary Fourier transform of complex volumes `[b, 2, d, h, w]`, centred in both domains.
pub(crate) fn centred_volume(z: Tensor<5>, sign: Sign) -> Tensor<5> {
    let parts = [0, 1].map(|part| z.clone().narrow(1, part, 1));
    Tensor::cat(fft3(parts, sign, fft2_centred).into(), 1)
}

/// The unitary transform in three dimensions of real and imaginary part, by the one in two: of
/// slices, then along the depth.
pub(crate) fn fft3(
    [re, im]: [Tensor<5>; 2],
    sign: Sign,
    fft: fn(Tensor<4>, Sign) -> Tensor<4>,
) -> [Tensor<5>; 2] {
    let [b, c, d, h, w] = re.dims();
    let n = b * c;
    let pair = |parts: [Tensor<5>; 2], shape: [usize; 4]| {
        let parts = parts.map(|part| part.reshape(shape)).into_iter().collect();
        fft(Tensor::cat(parts, 1), sign)
    };
    let both = pair([re, im], [n * d, 1, h, w]);
    let deep = |part: usize| -> Tensor<5> {
        let part = both.clone().narrow(1, part, 1).reshape([n, d, h * w]);
        part.swap_dims(1, 2).reshape([1, 1, n * h * w, 1, d])
    };
    let both = pair([deep(0), deep(1)], [n * h * w, 1, 1, d]);
    [0, 1].map(|part| {
        let part = both.clone().narrow(1, part, 1).reshape([n, h * w, d]);
        part.swap_dims(1, 2).reshape([b, c, d, h, w])
    })
}

impl Operator<4> for Transform {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let pairs = self.basis != Basis::Fourier || signal[1].is_multiple_of(2);
        fits("Fourier transform", &signal, pairs, || {
            "pairs of channels: real and imaginary parts".into()
        })?;
        sized("orthogonal transform", signal, self.size, self.size)
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        self.run(x, false)
    }
}

impl Linear<4> for Transform {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        self.output_shape(measured)
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        self.run(y, true)
    }

    closed_form!(4);
}

impl Spectral<4> for Transform {
    fn singular_values(&self, like: &Tensor<4>) -> Tensor<4> {
        Tensor::ones([1; 4], (&like.device(), like.dtype()))
    }

    fn signal_to_spectrum(&self, x: Tensor<4>) -> Tensor<4> {
        self.apply_unchecked(x)
    }

    fn spectrum_to_signal(&self, c: Tensor<4>) -> Tensor<4> {
        self.adjoint_unchecked(c)
    }

    fn measured_to_spectrum(&self, y: Tensor<4>) -> Tensor<4> {
        y
    }

    fn spectrum_to_measured(&self, c: Tensor<4>) -> Tensor<4> {
        c
    }
}
