//! A subset of the coefficients of an orthogonal transform: `A = M U D` with a mask `M`, a
//! transform `U` and signs `D`.
//!
//! Single-pixel cameras measure Walsh–Hadamard coefficients, and MRI scanners Fourier coefficients.
//! Compressed sensing uses coefficients of a randomised transform. Since `A Aᵀ = M`, `A⁺ = Aᵀ` and
//! the singular values are the values of the mask.

use super::error::{OperatorError, checked, fits, require};
use super::mask::unit;
use super::spectral::{Spectral, closed_form};
use super::{Basis, Linear, Mask, Operator, Solution, SolveError, Transform};
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use tweedie_ops::Constant;

/// The coefficients of an orthogonal transform where a mask is true, and 0 elsewhere.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Basis, Linear, Mask, Operator, Sampled};
///
/// // Single-coil MRI that samples about half of the lines; the image is complex.
/// let scan = Sampled::new(Basis::Fourier, Mask::cartesian([32, 32], 2.0, 0.1, 7)?, [32, 32])?;
/// let x = Tensor::<4>::ones([1, 2, 32, 32], &Device::flex());
/// let zero_filled = scan.pinv(scan.apply(x))?.x;
/// assert_eq!(zero_filled.dims(), [1, 2, 32, 32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Sampled {
    transform: Transform,
    mask: Mask<4>,
    signs: Option<Constant<4>>,
}

checked!(Sampled {
    transform: Transform,
    mask: Mask<4>,
    signs: Option<Constant<4>>
} by Sampled::of);

impl Sampled {
    /// The coefficients of images of `size` (height, width) where `mask` is true.
    ///
    /// # Errors
    /// As [`Transform::new`], and [`OperatorError::Shape`] for a mask of another size.
    pub fn new(basis: Basis, mask: Mask<4>, size: [usize; 2]) -> Result<Self, OperatorError> {
        Self::of(Transform::new(basis, size)?, mask, None)
    }

    fn of(
        transform: Transform,
        mask: Mask<4>,
        signs: Option<Constant<4>>,
    ) -> Result<Self, OperatorError> {
        mask.check_size(transform.size())?;
        if let Some(signs) = &signs {
            let [h, w] = transform.size();
            let shape = signs.shape();
            fits("signs", &shape, shape == [1, 1, h, w], || {
                format!("[1, 1, {h}, {w}]")
            })?;
            for &sign in signs.values() {
                require("sign", sign, "1 or −1", [-1.0, 1.0].contains(&sign))?;
            }
        }
        Ok(Self {
            transform,
            mask,
            signs,
        })
    }

    /// The first `count` Walsh–Hadamard coefficients, as a single-pixel camera measures them.
    ///
    /// Coefficients are in sequency order of the image flattened column by column, as in deepinv.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for sizes that are not powers of two, or a `count` above the
    /// number of pixels.
    pub fn single_pixel(size: [usize; 2], count: usize) -> Result<Self, OperatorError> {
        let transform = Transform::new(Basis::Hadamard, size)?;
        let ([h, w], all) = (size, size[0] * size[1]);
        let enough = count <= all;
        require(
            "number of coefficients",
            count as f64,
            "at most that of pixels",
            enough,
        )?;
        let bits = all.trailing_zeros();
        let mut kept = vec![false; all];
        for i in 0..count {
            // The natural index of sequency `i` is its Gray code with bits reversed.
            let gray = i ^ (i >> 1);
            let natural = match bits {
                0 => 0,
                bits => gray.reverse_bits() >> (usize::BITS - bits),
            };
            kept[natural % h * w + natural / h] = true;
        }
        let mask = Mask::of_pixels(size, |row, column| kept[row * w + column]);
        Ok(Self {
            transform,
            mask,
            signs: None,
        })
    }

    /// Flips the signs of pixels at random before the transform.
    ///
    /// This spreads every image over all coefficients.
    #[must_use]
    pub fn with_random_signs(mut self, seed: u64) -> Self {
        let [h, w] = self.transform.size();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let signs = (0..h * w).map(|_| if unit(&mut random) < 0.5 { -1.0 } else { 1.0 });
        self.signs = Some(Constant::new(signs.collect(), [1, 1, h, w]));
        self
    }

    /// `D x`.
    fn flipped(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.signs {
            Some(signs) => {
                let signs = signs.beside(&x);
                x * signs
            }
            None => x,
        }
    }
}

impl Operator<4> for Sampled {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        self.mask.output_shape(self.transform.output_shape(signal)?)
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        self.mask.apply_unchecked(self.signal_to_spectrum(x))
    }

    fn observed(&self, y: Tensor<4>) -> Tensor<4> {
        self.mask.observed(y)
    }
}

impl Linear<4> for Sampled {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        self.output_shape(measured)
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        self.spectrum_to_signal(self.mask.apply_unchecked(y))
    }

    closed_form!(4);
}

impl Spectral<4> for Sampled {
    fn singular_values(&self, like: &Tensor<4>) -> Tensor<4> {
        self.mask.singular_values(like)
    }

    fn signal_to_spectrum(&self, x: Tensor<4>) -> Tensor<4> {
        self.transform.apply_unchecked(self.flipped(x))
    }

    fn spectrum_to_signal(&self, c: Tensor<4>) -> Tensor<4> {
        self.flipped(self.transform.adjoint_unchecked(c))
    }

    fn measured_to_spectrum(&self, y: Tensor<4>) -> Tensor<4> {
        self.mask.apply_unchecked(y)
    }

    fn spectrum_to_measured(&self, c: Tensor<4>) -> Tensor<4> {
        self.mask.apply_unchecked(c)
    }
}
