//! Multi-coil magnetic resonance imaging: `y_n = M F (s_n x)`.
//!
//! For a single coil, use [`Sampled`](super::Sampled) with the Fourier transform.
//!
//! # Reference
//! Pruessmann et al. 1999, "SENSE: sensitivity encoding for fast MRI".

use super::error::{OperatorError, finite, fits, pixels, require};
use super::transform::{centred, centred_volume};
use super::{Linear, Mask, Operator};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use tweedie_ops::{Constant, Sign};

/// A multi-coil scan: complex images `[b, 2, h, w]` to measurements `[b, 2 n, h, w]`, or volumes
/// `[b, 2, d, h, w]` to `[b, 2 n, d, h, w]` by the transform in three dimensions.
///
/// Measurements are the sampled Fourier transforms of the images of all coils: first all real
/// parts, then all imaginary parts. [`Espirit`](super::Espirit) estimates the sensitivities from
/// what was measured.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Mask, MultiCoil, Operator};
///
/// let scan = MultiCoil::ring(4, Mask::cartesian([16, 16], 3.0, 0.2, 1)?, [16, 16])?;
/// assert_eq!(scan.apply(Tensor::ones([1, 2, 16, 16], &Device::flex())).dims(), [1, 8, 16, 16]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw<D>")]
pub struct MultiCoil<const D: usize = 4> {
    /// `[2, coils, h, w]` or `[2, coils, d, h, w]`: the real parts, then the imaginary parts.
    maps: Constant<D>,
    mask: Mask<D>,
}

#[derive(Deserialize)]
#[serde(rename = "MultiCoil")]
struct Raw<const D: usize> {
    maps: Constant<D>,
    mask: Mask<D>,
}

impl<const D: usize> TryFrom<Raw<D>> for MultiCoil<D> {
    type Error = OperatorError;

    fn try_from(raw: Raw<D>) -> Result<Self, OperatorError> {
        Self::new(raw.maps, raw.mask)
    }
}

impl<const D: usize> MultiCoil<D> {
    /// Coils with given sensitivity maps `[2, coils, h, w]` or `[2, coils, d, h, w]`: real parts,
    /// then imaginary parts.
    ///
    /// # Errors
    /// [`OperatorError`] unless there are two or three dimensions of space, two parts and at least
    /// one coil and pixel, for a value that is not finite, or for a mask of another size.
    pub fn new(maps: Constant<D>, mask: Mask<D>) -> Result<Self, OperatorError> {
        let known = D == 4 || D == 5;
        let dimensions = D.saturating_sub(2) as f64;
        require("number of a map's dimensions", dimensions, "2 or 3", known)?;
        let parts = maps.shape()[0];
        require("number of parts of a map", parts as f64, "2", parts == 2)?;
        finite("map's value", &maps)?;
        mask.output_shape(with_channels(maps.shape(), 1, 2))?;
        Ok(Self { maps, mask })
    }

    /// The sensitivity maps, real parts first.
    #[must_use]
    pub fn maps(&self) -> &Constant<D> {
        &self.maps
    }

    /// Which coefficients are measured.
    #[must_use]
    pub fn mask(&self) -> &Mask<D> {
        &self.mask
    }

    fn coils(&self) -> usize {
        self.maps.shape()[1]
    }

    /// `Ok` with `batch` samples of `to` channels, if there are samples of `from` channels.
    fn shaped(
        &self,
        found: [usize; D],
        from: usize,
        to: usize,
    ) -> Result<[usize; D], OperatorError> {
        let size = self.maps.shape();
        let whole = found[1] == from && found[2..] == size[2..];
        fits("multi-coil scan", &found, whole, || {
            let size: Vec<String> = size[2..].iter().map(usize::to_string).collect();
            format!("[batch, {from}, {}]", size.join(", "))
        })?;
        Ok(with_channels(found, found[0], to))
    }

    /// Real and imaginary parts of the maps, each `[1, coils, …]`.
    fn parts(&self, like: &Tensor<D>) -> [Tensor<D>; 2] {
        let maps = self.maps.beside(like);
        [0, 1].map(|part| maps.clone().narrow(0, part, 1))
    }

    /// Maps pairs of real and imaginary part `[b n, 2, …]` of measurements `[b, 2 n, …]`.
    fn of_pairs(&self, y: Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<D>) -> Tensor<D> {
        let (shape, n) = (y.dims(), self.coils());
        let b = shape[0];
        let pixels = shape[2..].iter().product::<usize>();
        let pairs: Tensor<4> = y.reshape([b, 2, n, pixels]).swap_dims(1, 2);
        let pairs = f(pairs.reshape(with_channels(shape, b * n, 2)));
        let parts: Tensor<4> = pairs.reshape([b, n, 2, pixels]).swap_dims(1, 2);
        parts.reshape(shape)
    }

    /// The Fourier transform of every coil's image: `[b, 2 n, …]` to the same shape.
    fn every_coil(&self, z: Tensor<D>, sign: Sign) -> Tensor<D> {
        self.of_pairs(z, |pairs| {
            let shape = pairs.dims();
            match shape[2..] {
                [d, h, w] => {
                    centred_volume(pairs.reshape([shape[0], 2, d, h, w]), sign).reshape(shape)
                }
                _ => {
                    let image = [shape[0], 2, shape[2], shape[D - 1]];
                    centred(pairs.reshape(image), sign).reshape(shape)
                }
            }
        })
    }

    /// Sets the real and imaginary parts of every coil to 0 where the mask is false.
    fn masked(&self, y: Tensor<D>) -> Tensor<D> {
        // The mask has one channel, or one for each part.
        self.of_pairs(y, |pairs| self.mask.observed(pairs))
    }
}

/// A shape with another batch and number of channels.
fn with_channels<const D: usize>(
    mut shape: [usize; D],
    batch: usize,
    channels: usize,
) -> [usize; D] {
    (shape[0], shape[1]) = (batch, channels);
    shape
}

impl MultiCoil {
    /// Simulated coils on a ring around images of `size` (height, width).
    ///
    /// Each sensitivity is Gaussian in magnitude, with a phase that grows linearly along the coil's
    /// direction. In every pixel the squared magnitudes of all coils have the sum 1.
    ///
    /// # Errors
    /// As [`new`](Self::new), and unless there are from 1 to 1,024 coils.
    pub fn ring(coils: usize, mask: Mask<4>, size: [usize; 2]) -> Result<Self, OperatorError> {
        let [h, w] = size;
        pixels(size)?;
        let few = (1..=1 << 10).contains(&coils);
        require("number of coils", coils as f64, "from 1 to 1,024", few)?;
        let at = |coil: usize, pixel: usize| {
            let (sin, cos) = (TAU * coil as f64 / coils as f64).sin_cos();
            let y = (pixel / w) as f64 / h as f64 - 0.5 - 0.6 * sin;
            let x = (pixel % w) as f64 / w as f64 - 0.5 - 0.6 * cos;
            ((-2.0 * (x * x + y * y)).exp(), 2.0 * (x * cos + y * sin))
        };
        let length: Vec<f64> = (0..h * w)
            .map(|pixel| {
                let squares = (0..coils).map(|coil| at(coil, pixel).0.powi(2));
                squares.sum::<f64>().sqrt()
            })
            .collect();
        let part = |part: fn(f64) -> f64| {
            let (at, length) = (&at, &length);
            (0..coils * h * w).map(move |i| {
                let (magnitude, phase) = at(i / (h * w), i % (h * w));
                magnitude / length[i % (h * w)] * part(phase)
            })
        };
        let values = part(f64::cos).chain(part(f64::sin)).collect();
        Self::new(Constant::new(values, [2, coils, h, w]), mask)
    }
}

impl<const D: usize> Operator<D> for MultiCoil<D> {
    fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError> {
        self.shaped(signal, 2, 2 * self.coils())
    }

    fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D> {
        let ([s_re, s_im], re) = (self.parts(&x), x.clone().narrow(1, 0, 1));
        let im = x.narrow(1, 1, 1);
        let seen = vec![
            re.clone() * s_re.clone() - im.clone() * s_im.clone(),
            re * s_im + im * s_re,
        ];
        self.masked(self.every_coil(Tensor::cat(seen, 1), Sign::Forward))
    }

    fn observed(&self, y: Tensor<D>) -> Tensor<D> {
        match self.input_shape(y.dims()) {
            Ok(_) => self.masked(y),
            Err(_) => y,
        }
    }
}

impl<const D: usize> Linear<D> for MultiCoil<D> {
    fn input_shape(&self, measured: [usize; D]) -> Result<[usize; D], OperatorError> {
        self.shaped(measured, 2 * self.coils(), 2)
    }

    fn adjoint_unchecked(&self, y: Tensor<D>) -> Tensor<D> {
        let n = self.coils();
        let z = self.every_coil(self.masked(y), Sign::Inverse);
        let [s_re, s_im] = self.parts(&z);
        let (re, im) = (z.clone().narrow(1, 0, n), z.narrow(1, n, n));
        // Multiply by the conjugate sensitivities and sum over coils.
        let combined = vec![
            (re.clone() * s_re.clone() + im.clone() * s_im.clone()).sum_dim(1),
            (im * s_re - re * s_im).sum_dim(1),
        ];
        Tensor::cat(combined, 1)
    }
}
