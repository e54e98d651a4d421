//! Multi-coil magnetic resonance imaging: `y_n = M F (s_n x)`.
//!
//! For a single coil, use [`Sampled`](super::Sampled) with the Fourier transform.
//!
//! # Reference
//! Pruessmann et al. 1999, "SENSE: sensitivity encoding for fast MRI".

use super::error::{OperatorError, checked, finite, fits, pixels, require, sample};
use super::transform::centred;
use super::{Linear, Mask, Operator};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use tweedie_ops::{Constant, Sign};

/// A multi-coil scan: complex images `[b, 2, h, w]` to measurements `[b, 2 n, h, w]`.
///
/// Measurements are the sampled Fourier transforms of the images of all coils: first all real
/// parts, then all imaginary parts.
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
#[serde(try_from = "Raw")]
pub struct MultiCoil {
    /// `[2, coils, h, w]`: the real parts, then the imaginary parts.
    maps: Constant<4>,
    mask: Mask<4>,
}

checked!(MultiCoil { maps: Constant<4>, mask: Mask<4> } by MultiCoil::new);

impl MultiCoil {
    /// Coils with given sensitivity maps `[2, coils, h, w]`: real parts, then imaginary parts.
    ///
    /// # Errors
    /// [`OperatorError`] unless there are two parts and at least one coil and pixel, for a value
    /// that is not finite, or for a mask of another size.
    pub fn new(maps: Constant<4>, mask: Mask<4>) -> Result<Self, OperatorError> {
        let [parts, _, h, w] = maps.shape();
        require("number of parts of a map", parts as f64, "2", parts == 2)?;
        finite("map's value", &maps)?;
        mask.output_shape([1, 2, h, w])?;
        Ok(Self { maps, mask })
    }

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

    /// Real and imaginary parts of the maps, each `[1, coils, h, w]`.
    fn parts(&self, like: &Tensor<4>) -> [Tensor<4>; 2] {
        let maps = self.maps.beside(like);
        [0, 1].map(|part| maps.clone().narrow(0, part, 1))
    }

    /// The Fourier transform of every coil's image: `[b, 2 n, h, w]` to the same shape.
    fn every_coil(&self, z: Tensor<4>, sign: Sign) -> Tensor<4> {
        let ([b, _, h, w], [_, n, ..]) = (z.dims(), self.maps.shape());
        let pairs: Tensor<5> = z.reshape([b, 2, n, h, w]).swap_dims(1, 2);
        let pairs = centred(pairs.reshape([b * n, 2, h, w]), sign);
        let parts: Tensor<5> = pairs.reshape([b, n, 2, h, w]).swap_dims(1, 2);
        parts.reshape([b, 2 * n, h, w])
    }
}

impl Operator<4> for MultiCoil {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [_, n, h, w] = self.maps.shape();
        sample("multi-coil scan", signal, [2, h, w], [2 * n, h, w])
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let ([s_re, s_im], re) = (self.parts(&x), x.clone().narrow(1, 0, 1));
        let im = x.narrow(1, 1, 1);
        let seen = vec![
            re.clone() * s_re.clone() - im.clone() * s_im.clone(),
            re * s_im + im * s_re,
        ];
        self.masked(self.every_coil(Tensor::cat(seen, 1), Sign::Forward))
    }

    fn observed(&self, y: Tensor<4>) -> Tensor<4> {
        match self.input_shape(y.dims()) {
            Ok(_) => self.masked(y),
            Err(_) => y,
        }
    }
}

impl MultiCoil {
    /// Sets the real and imaginary parts of every coil to 0 where the mask is false.
    fn masked(&self, y: Tensor<4>) -> Tensor<4> {
        let ([b, c, h, w], [_, n, ..]) = (y.dims(), self.maps.shape());
        // Bring the parts to channels, since the mask has one channel, or one for each part.
        let parts: Tensor<5> = y.reshape([b, 2, n, h, w]).swap_dims(1, 2);
        let kept = self.mask.observed(parts.reshape([b * n, 2, h, w]));
        let parts: Tensor<5> = kept.reshape([b, n, 2, h, w]).swap_dims(1, 2);
        parts.reshape([b, c, h, w])
    }
}

impl Linear<4> for MultiCoil {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [_, n, h, w] = self.maps.shape();
        fits(
            "multi-coil scan",
            &measured,
            measured[1..] == [2 * n, h, w],
            || {
                format!(
                    "[batch, {}, {h}, {w}]: real, then imaginary parts of {n} coils",
                    2 * n
                )
            },
        )?;
        Ok([measured[0], 2, h, w])
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        let [_, n, ..] = self.maps.shape();
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
