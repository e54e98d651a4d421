//! Masks for inpainting, demosaicing and sampling: values are kept where the mask is true, else 0.
//!
//! `A = diag(m)` with `m ∈ {0, 1}`, so `Aᵀ = A⁺ = A` and `(AᵀA + s I)⁻¹ = 1/(m + s)`.

use super::error::{fits, pixels, require};
use super::spectral::{Spectral, closed_form};
use super::{Linear, Operator, OperatorError, Solution, SolveError};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use tweedie_ops::Constant;

/// A mask: keeps values where it is true and sets all others to 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Mask, Operator};
///
/// let mask = Mask::missing_box([4, 4], [1, 1], [2, 2])?;
/// let y = mask.apply(Tensor::ones([1, 3, 4, 4], &Device::flex()));
/// assert_eq!(y.sum().into_scalar::<f32>(), 36.0);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Constant<D>", into = "Constant<D>")]
pub struct Mask<const D: usize> {
    kept: Constant<D>,
}

impl<const D: usize> TryFrom<Constant<D>> for Mask<D> {
    type Error = OperatorError;

    fn try_from(kept: Constant<D>) -> Result<Self, OperatorError> {
        for &value in kept.values() {
            require("mask's value", value, "0 or 1", [0.0, 1.0].contains(&value))?;
        }
        Ok(Self { kept })
    }
}

impl<const D: usize> From<Mask<D>> for Constant<D> {
    fn from(mask: Mask<D>) -> Self {
        mask.kept
    }
}

/// A half of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The left half.
    Left,
    /// The right half.
    Right,
    /// The upper half.
    Upper,
    /// The lower half.
    Lower,
}

/// A Bayer pattern: the colours of the upper-left 2×2 pixels of a sensor, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bayer {
    /// Red, green; green, blue.
    Rggb,
    /// Blue, green; green, red.
    Bggr,
    /// Green, red; blue, green.
    Grbg,
    /// Green, blue; red, green.
    Gbrg,
}

impl<const D: usize> Mask<D> {
    /// Keeps the values where `kept` is true; dimensions of 1 broadcast.
    #[must_use]
    pub fn new(kept: Tensor<D, Bool>) -> Self {
        let shape = kept.dims();
        let values = kept.into_data().iter::<bool>().map(f64::from).collect();
        Self {
            kept: Constant::new(values, shape),
        }
    }

    /// The mask as a tensor, true where values are kept.
    #[must_use]
    pub fn kept(&self, device: &Device) -> Tensor<D, Bool> {
        let kept: Vec<bool> = self.kept.values().iter().map(|&kept| kept != 0.0).collect();
        Tensor::from_data(TensorData::new(kept, self.kept.shape()), device)
    }

    /// The fraction of the values that are kept.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        let values = self.kept.values();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    }
}

impl Mask<4> {
    /// `Ok` if the mask fits images of `size`.
    pub(crate) fn check_size(&self, [h, w]: [usize; 2]) -> Result<(), OperatorError> {
        let [b, c, ..] = self.kept.shape();
        self.output_shape([b, c, h, w]).map(drop)
    }

    /// A mask for images of `size` (height, width) that keeps pixels where `kept(row, column)`.
    ///
    /// # Panics
    /// For no pixels, or more than 2²⁶.
    #[must_use]
    pub fn of_pixels(size: [usize; 2], kept: impl Fn(usize, usize) -> bool) -> Self {
        let [h, w] = size;
        if let Err(error) = pixels(size) {
            panic!("{error}");
        }
        let kept = (0..h * w).map(|i| f64::from(kept(i / w, i % w)));
        Self {
            kept: Constant::new(kept.collect(), [1, 1, h, w]),
        }
    }

    /// A mask for images of `size` (height, width) that hides a box.
    ///
    /// The box has its upper-left pixel at `corner` (row, column), and height and width `extent`.
    ///
    /// # Errors
    /// [`OperatorError::Box`] if the box does not lie within the image.
    pub fn missing_box(
        size: [usize; 2],
        corner: [usize; 2],
        extent: [usize; 2],
    ) -> Result<Self, OperatorError> {
        pixels(size)?;
        let end = [0, 1].map(|i| corner[i].saturating_add(extent[i]));
        if end[0] > size[0] || end[1] > size[1] {
            return Err(OperatorError::Box {
                size,
                corner,
                extent,
            });
        }
        Ok(Self::of_pixels(size, |row, column| {
            !((corner[0]..end[0]).contains(&row) && (corner[1]..end[1]).contains(&column))
        }))
    }

    /// A random mask that keeps each pixel, in all channels, with a given probability.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a probability outside of `[0, 1]`.
    pub fn random(size: [usize; 2], probability: f64, seed: u64) -> Result<Self, OperatorError> {
        let within = (0.0..=1.0).contains(&probability);
        require("probability", probability, "from 0 to 1", within)?;
        pixels(size)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let kept: Vec<bool> = (0..size[0] * size[1])
            .map(|_| unit(&mut random) < probability)
            .collect();
        Ok(Self::of_pixels(size, |row, column| {
            kept[row * size[1] + column]
        }))
    }

    /// A mask that hides a half of the image, but not the middle row or column of an odd number.
    ///
    /// # Panics
    /// For no pixels, or more than 2²⁶.
    #[must_use]
    pub fn missing_half(size: [usize; 2], side: Side) -> Self {
        let [h, w] = size;
        Self::of_pixels(size, |row, column| match side {
            Side::Left => column >= w / 2,
            Side::Right => column < w - w / 2,
            Side::Upper => row >= h / 2,
            Side::Lower => row < h - h / 2,
        })
    }

    /// A mask that keeps every `every`-th row, from the first on.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] if `every` is 0.
    pub fn lines(size: [usize; 2], every: usize) -> Result<Self, OperatorError> {
        pixels(size)?;
        require("distance of lines", every as f64, "at least 1", every > 0)?;
        Ok(Self::of_pixels(size, |row, _| row.is_multiple_of(every)))
    }

    /// The Bayer mosaic of a sensor, which measures one of three colours in each pixel.
    ///
    /// # Panics
    /// For no pixels, or more than 2²⁶.
    #[must_use]
    pub fn bayer(size: [usize; 2], pattern: Bayer) -> Self {
        let colours = match pattern {
            Bayer::Rggb => [0, 1, 1, 2],
            Bayer::Bggr => [2, 1, 1, 0],
            Bayer::Grbg => [1, 0, 2, 1],
            Bayer::Gbrg => [1, 2, 0, 1],
        };
        let [h, w] = size;
        if let Err(error) = pixels(size) {
            panic!("{error}");
        }
        let kept = (0..3 * h * w).map(|i| {
            let (channel, row, column) = (i / (h * w), i / w % h, i % w);
            f64::from(colours[row % 2 * 2 + column % 2] == channel)
        });
        Self {
            kept: Constant::new(kept.collect(), [1, 3, h, w]),
        }
    }

    /// A Cartesian sampling mask for MRI: columns of the centred Fourier plane.
    ///
    /// The mask keeps the central columns, a fraction `centre` of all, and others at random. On
    /// average it keeps about one column in `acceleration`.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for an acceleration below 1 or not finite, or a fraction
    /// outside of `[0, 1/acceleration]`.
    pub fn cartesian(
        size: [usize; 2],
        acceleration: f64,
        centre: f64,
        seed: u64,
    ) -> Result<Self, OperatorError> {
        pixels(size)?;
        require(
            "acceleration",
            acceleration,
            "finite and at least 1",
            acceleration >= 1.0 && acceleration.is_finite(),
        )?;
        let within = (0.0..=1.0 / acceleration).contains(&centre);
        let expected = "at least 0 and at most 1/acceleration";
        require("fraction in the centre", centre, expected, within)?;
        let w = size[1];
        let middle = ((w as f64 * centre).round() as usize).min(w);
        let start = w / 2 - middle / 2;
        let rest = w as f64 / acceleration - middle as f64;
        let probability = rest / ((w - middle) as f64).max(1.0);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let kept: Vec<bool> = (0..w)
            .map(|column| {
                let draw = unit(&mut random);
                (start..start + middle).contains(&column) || draw < probability
            })
            .collect();
        Ok(Self::of_pixels(size, |_, column| kept[column]))
    }
}

/// A uniform random number in `[0, 1)`.
pub(crate) fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

impl<const D: usize> Operator<D> for Mask<D> {
    fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError> {
        let kept = self.kept.shape();
        let mut pairs = kept.iter().zip(&signal);
        let matches = pairs.all(|(kept, found)| *kept == 1 || kept == found);
        fits("mask", &signal, matches, || {
            format!("{kept:?}, where 1 is any")
        })?;
        Ok(signal)
    }

    fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D> {
        let kept = self.kept.beside(&x);
        x * kept
    }

    /// Overwrites hidden values with 0, NaN included. A `y` of batch 1 is repeated if there is one
    /// mask per sample.
    fn observed(&self, y: Tensor<D>) -> Tensor<D> {
        let mut shape = y.dims();
        if shape[0] == 1 {
            shape[0] = self.kept.shape()[0];
        }
        if self.output_shape(shape).is_err() {
            return y;
        }
        let lost = self.kept.beside(&y).equal_elem(0.0).expand(shape);
        y.expand(shape).mask_fill(lost, 0.0)
    }
}

impl<const D: usize> Linear<D> for Mask<D> {
    fn input_shape(&self, measured: [usize; D]) -> Result<[usize; D], OperatorError> {
        self.output_shape(measured)
    }

    fn adjoint_unchecked(&self, y: Tensor<D>) -> Tensor<D> {
        self.apply_unchecked(y)
    }

    closed_form!(D);
}

impl<const D: usize> Spectral<D> for Mask<D> {
    fn singular_values(&self, like: &Tensor<D>) -> Tensor<D> {
        self.kept.beside(like)
    }

    fn signal_to_spectrum(&self, x: Tensor<D>) -> Tensor<D> {
        x
    }

    fn spectrum_to_signal(&self, c: Tensor<D>) -> Tensor<D> {
        c
    }

    fn measured_to_spectrum(&self, y: Tensor<D>) -> Tensor<D> {
        self.apply_unchecked(y)
    }

    fn spectrum_to_measured(&self, c: Tensor<D>) -> Tensor<D> {
        self.apply_unchecked(c)
    }
}
