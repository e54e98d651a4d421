//! Ptychography: a probe of light moves over a complex image, and a camera measures the magnitude
//! of the Fourier transform of what it lights up at each place.
//!
//! `y_j = |F (p ∘ x[place j])|`, with the probe `p` and unitary, centred transforms. Because the
//! places overlap, the lost phases are determined up to one for the whole image.
//!
//! # Reference
//! Rodenburg & Faulkner 2004, "A phase retrieval algorithm for shifting illumination".

use super::error::{OperatorError, checked, finite, fits, pixels, require};
use super::transform::centred;
use super::{Operator, Reading};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_ops::{Constant, Sign};

/// Diffraction patterns of a complex image `[b, 2, h, w]`, real part first: `[b, places, k, k]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Operator, Ptychography};
///
/// let scan = Ptychography::disc([32, 32], 16, 6.0, 4)?;
/// assert_eq!(scan.places().len(), 25);
/// let x = Tensor::<4>::ones([1, 2, 32, 32], &Device::flex());
/// assert_eq!(scan.apply(x).dims(), [1, 25, 16, 16]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Ptychography {
    size: [usize; 2],
    /// Real and imaginary part, `[1, 2, k, k]`.
    probe: Constant<4>,
    places: Vec<[usize; 2]>,
    reading: Reading,
}

checked!(Ptychography {
    size: [usize; 2],
    probe: Constant<4>,
    places: Vec<[usize; 2]>,
    reading: Reading
} by Ptychography::new);

impl Ptychography {
    /// A scan of images of `size` (height, width) by a probe `[1, 2, k, k]`, with its upper-left
    /// corner at each place (row, column).
    ///
    /// # Errors
    /// [`OperatorError`] for an empty image, a probe that is not complex and square, no places or
    /// more than 4,096, or a place where the probe does not lie within the image.
    pub fn new(
        size: [usize; 2],
        probe: Constant<4>,
        places: Vec<[usize; 2]>,
        reading: Reading,
    ) -> Result<Self, OperatorError> {
        pixels(size)?;
        let shape = probe.shape();
        let [.., k, _] = shape;
        fits("a probe", &shape, shape == [1, 2, k, k] && k > 0, || {
            "[1, 2, k, k]".into()
        })?;
        finite("probe", &probe)?;
        let count = places.len();
        let few = (1..=1 << 12).contains(&count);
        require("number of places", count as f64, "from 1 to 4,096", few)?;
        for &corner in &places {
            if (0..2).any(|i| corner[i].saturating_add(k) > size[i]) {
                return Err(OperatorError::Box {
                    size,
                    corner,
                    extent: [k, k],
                });
            }
        }
        Ok(Self {
            size,
            probe,
            places,
            reading,
        })
    }

    /// A scan by a disc of light of `radius` pixels in patterns of `k × k` pixels, at places
    /// `step` pixels apart.
    ///
    /// # Errors
    /// As [`new`](Self::new), and unless `radius` and `step` are above 0.
    pub fn disc(
        size: [usize; 2],
        k: usize,
        radius: f64,
        step: usize,
    ) -> Result<Self, OperatorError> {
        pixels(size)?;
        pixels([k, k])?;
        require("step", step as f64, "at least 1", step > 0)?;
        require("radius", radius, "above 0", radius > 0.0)?;
        let middle = (k as f64 - 1.0) / 2.0;
        let lit = (0..k * k).map(|i| {
            let (row, column) = ((i / k) as f64 - middle, (i % k) as f64 - middle);
            (radius + 0.5 - row.hypot(column)).clamp(0.0, 1.0)
        });
        let dark = std::iter::repeat_n(0.0, k * k);
        let probe = Constant::new(lit.chain(dark).collect(), [1, 2, k, k]);
        let lines = size.map(|n| n.saturating_sub(k) / step + 1);
        let count = lines[0] as f64 * lines[1] as f64;
        require(
            "number of places",
            count,
            "from 1 to 4,096",
            count <= 4096.0,
        )?;
        let line = |n: usize| (0..=n.saturating_sub(k)).step_by(step);
        let places = line(size[0]).flat_map(|row| line(size[1]).map(move |column| [row, column]));
        Self::new(size, probe, places.collect(), Reading::Amplitude)
    }

    /// Sets what is measured of the transforms; [`disc`](Self::disc) measures the amplitude.
    #[must_use]
    pub fn with_reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// The upper-left corners of the probe.
    #[must_use]
    pub fn places(&self) -> &[[usize; 2]] {
        &self.places
    }
}

impl Operator<4> for Ptychography {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [h, w] = self.size;
        fits("ptychography", &signal, signal[1..] == [2, h, w], || {
            format!("[batch, 2, {h}, {w}]: real and imaginary part")
        })?;
        let [.., k] = self.probe.shape();
        Ok([signal[0], self.places.len(), k, k])
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let (b, [.., k]) = (x.dims()[0], self.probe.shape());
        let probe = self.probe.beside(&x);
        let [p, q] = [0, 1].map(|part| probe.clone().narrow(1, part, 1));
        let lit = self.places.iter().map(|&[row, column]| {
            let part = x.clone().narrow(2, row, k).narrow(3, column, k);
            let (re, im) = (part.clone().narrow(1, 0, 1), part.narrow(1, 1, 1));
            let real = re.clone() * p.clone() - im.clone() * q.clone();
            Tensor::cat(vec![real, re * q.clone() + im * p.clone()], 1)
        });
        let z = centred(Tensor::cat(lit.collect(), 1), Sign::Forward);
        let pairs = z.reshape([b * self.places.len(), 2, k, k]);
        let (re, im) = (pairs.clone().narrow(1, 0, 1), pairs.narrow(1, 1, 1));
        self.reading
            .of(re, im)
            .reshape([b, self.places.len(), k, k])
    }
}
