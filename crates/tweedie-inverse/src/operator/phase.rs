//! Phase retrieval: only the magnitude of complex measurements is observed.
//!
//! # Reference
//! Chung et al. 2023 (DPS), arXiv:2209.14687: Fourier, oversampled twofold, amplitudes;
//! Candès et al. 2013 (PhaseLift), arXiv:1109.4499: a random matrix, intensities.

use super::Operator;
use super::error::{OperatorError, checked, finite, fits, pixels, require, sized};
use super::matrix::{normals, rows};
use super::transform::centred;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tweedie_ops::{Constant, Sign};

/// The quantity that is measured of a complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reading {
    /// `|z|`; its gradient at 0 is 0.
    #[default]
    Amplitude,
    /// `|z|²`.
    Intensity,
}

impl Reading {
    pub(super) fn of(self, re: Tensor<4>, im: Tensor<4>) -> Tensor<4> {
        let intensity = re.square() + im.square();
        match self {
            // Adding the smallest positive normal number makes the gradient at 0 finite.
            Self::Amplitude => (intensity + f64::from(f32::MIN_POSITIVE)).sqrt(),
            Self::Intensity => intensity,
        }
    }
}

/// The magnitude of the Fourier transform of zero-padded images: `[b, c, h, w]` to `[b, c, H, W]`.
///
/// The transform is centred and unitary, and acts on each channel separately.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{FourierPhase, Operator};
///
/// let phase = FourierPhase::new([16, 16], 2.0)?;
/// assert_eq!(phase.apply(Tensor::ones([1, 3, 16, 16], &Device::flex())).dims(), [1, 3, 32, 32]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct FourierPhase {
    size: [usize; 2],
    frame: [usize; 2],
    reading: Reading,
}

checked!(FourierPhase {
    size: [usize; 2],
    frame: [usize; 2],
    reading: Reading
} by FourierPhase::of);

impl FourierPhase {
    /// Images of `size`, zero-padded to `oversampling` times their height and width, rounded up.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for an oversampling below 1 or above 100, or an empty image.
    pub fn new(size: [usize; 2], oversampling: f64) -> Result<Self, OperatorError> {
        let valid = (1.0..=100.0).contains(&oversampling);
        require("oversampling", oversampling, "from 1 to 100", valid)?;
        let frame = size.map(|n| (n as f64 * oversampling).ceil() as usize);
        Self::of(size, frame, Reading::Amplitude)
    }

    fn of(size: [usize; 2], frame: [usize; 2], reading: Reading) -> Result<Self, OperatorError> {
        pixels(size)?;
        pixels(frame)?;
        for (n, framed) in size.into_iter().zip(frame) {
            let holds = framed >= n;
            require(
                "frame's size",
                framed as f64,
                "at least that of the image",
                holds,
            )?;
        }
        Ok(Self {
            size,
            frame,
            reading,
        })
    }

    /// Sets what is measured of the transform; the default is the amplitude.
    #[must_use]
    pub fn with_reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }
}

impl Operator<4> for FourierPhase {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        sized("Fourier phase retrieval", signal, self.size, self.frame)
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let ([b, c, h, w], [tall, wide]) = (x.dims(), self.frame);
        let (above, left) = ((tall - h) / 2, (wide - w) / 2);
        let framed = x.pad((left, wide - w - left, above, tall - h - above), 0.0);
        let re: Tensor<4> = framed.reshape([b * c, 1, tall, wide]);
        let z = centred(
            Tensor::cat(vec![re.clone(), re.zeros_like()], 1),
            Sign::Forward,
        );
        let part = |part| z.clone().narrow(1, part, 1);
        self.reading
            .of(part(0), part(1))
            .reshape([b, c, tall, wide])
    }
}

/// The squared magnitude of a complex matrix times the image: `[b, c, h, w]` to `[b, 1, 1, m]`.
///
/// An image of two channels is complex, real part first; all others are real.
/// [`with_reading`](Self::with_reading) selects the magnitude.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "PhaseRecipe", into = "PhaseRecipe")]
pub struct RandomPhase {
    /// Real and imaginary part, each `m × n`.
    matrix: Arc<[Constant<2>; 2]>,
    reading: Reading,
}

#[derive(Serialize, Deserialize)]
struct PhaseRecipe {
    re: Constant<2>,
    im: Constant<2>,
    reading: Reading,
}

impl TryFrom<PhaseRecipe> for RandomPhase {
    type Error = OperatorError;

    fn try_from(recipe: PhaseRecipe) -> Result<Self, OperatorError> {
        Ok(Self::new(recipe.re, recipe.im)?.with_reading(recipe.reading))
    }
}

impl From<RandomPhase> for PhaseRecipe {
    fn from(phase: RandomPhase) -> Self {
        let [re, im] = (*phase.matrix).clone();
        let reading = phase.reading;
        Self { re, im, reading }
    }
}

impl PartialEq for RandomPhase {
    fn eq(&self, other: &Self) -> bool {
        self.matrix == other.matrix && self.reading == other.reading
    }
}

impl RandomPhase {
    /// Measurements by the rows of a complex matrix, with real and imaginary part `m × n`.
    ///
    /// # Errors
    /// [`OperatorError::Length`] for parts of different shapes; [`OperatorError::Parameter`] for no
    /// values or values that are not finite.
    pub fn new(re: Constant<2>, im: Constant<2>) -> Result<Self, OperatorError> {
        let count = re.values().len();
        require(
            "number of values of the matrix",
            count as f64,
            "at least 1",
            count > 0,
        )?;
        if re.shape() != im.shape() {
            return Err(OperatorError::Length {
                values: "the imaginary part of the matrix",
                found: im.values().len(),
                expected: count,
            });
        }
        finite("matrix's value", &re)?;
        finite("matrix's value", &im)?;
        Ok(Self {
            matrix: Arc::new([re, im]),
            reading: Reading::Intensity,
        })
    }

    /// `m` measurements of `n` values with independent complex weights `N(0, 1/m)`.
    ///
    /// The real and the imaginary part have half of the variance each.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless `m n` is from 1 to 2²⁷.
    pub fn gaussian(n: usize, m: usize, seed: u64) -> Result<Self, OperatorError> {
        let count = m.checked_mul(n).filter(|count| *count <= 1 << 27);
        let expected = "such that all are from 1 to 2²⁷";
        require("number of weights", m as f64, expected, count > Some(0))?;
        let scale = (0.5 / m as f64).sqrt();
        let values: Vec<f64> = normals(2 * m * n, seed).map(|z| z * scale).collect();
        let (re, im) = values.split_at(m * n);
        let part = |part: &[f64]| Constant::new(part.to_vec(), [m, n]);
        Self::new(part(re), part(im))
    }

    /// Sets what is measured of the product; the default is the intensity.
    #[must_use]
    pub fn with_reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }
}

impl Operator<4> for RandomPhase {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let ([b, c, h, w], [m, n]) = (signal, self.matrix[0].shape());
        let values = if c == 2 { h * w } else { c * h * w };
        fits("random phase retrieval", &signal, values == n, || {
            format!("{n} values of each sample (with two channels: {n} complex ones)")
        })?;
        Ok([b, 1, 1, m])
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let times = |x: Tensor<4>| -> [Tensor<4>; 2] {
            let part = |matrix: &Constant<2>| rows(matrix.beside(&x), x.clone());
            self.matrix
                .each_ref()
                .map(|matrix| part(matrix).unsqueeze_dims(&[1, 1]))
        };
        if x.dims()[1] != 2 {
            let [re, im] = times(x);
            return self.reading.of(re, im);
        }
        let [re, im] = times(x.clone().narrow(1, 0, 1));
        let [turned_re, turned_im] = times(x.narrow(1, 1, 1));
        self.reading.of(re - turned_im, im + turned_re)
    }
}
