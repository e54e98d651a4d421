//! Circular convolution of volumes, in closed form by Fourier transforms in three dimensions.
//!
//! `y = F⁻¹ (H ∘ F x)`: a microscope's stack, blurred by its point spread function.

use super::error::{OperatorError, fits, require, voxels};
use super::spectral::closed_form;
use super::transform::fft3;
use super::{Linear, Operator, Solution, SolveError, Spectral};
use burn::tensor::Tensor;
use std::f64::consts::TAU;
use tweedie_ops::{Constant, Sign, fft2};

/// A circular convolution of volumes `[b, c, d, h, w]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Linear, Operator, VolumeBlur};
///
/// // Twice as wide along the optical axis as across it.
/// let blur = VolumeBlur::gaussian([2.0, 1.0, 1.0], [8, 12, 12])?;
/// let x = Tensor::<5>::ones([1, 1, 8, 12, 12], &Device::flex());
/// assert!((blur.apply(x.clone()) - x).abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct VolumeBlur {
    size: [usize; 3],
    /// Real and imaginary part of `H`, `[2, 1, d, h, w]`.
    spectrum: Constant<5>,
    /// `|H|`, `[1, 1, d, h, w]`.
    magnitudes: Constant<5>,
    /// `H/|H|`, `[2, 1, d, h, w]`.
    phase: Constant<5>,
}

impl VolumeBlur {
    /// A convolution of volumes of `size` (depth, height, width) with a kernel of that size, in
    /// row-major order, with its centre at the origin and wrapped around.
    ///
    /// # Errors
    /// [`OperatorError`] for a wrong number of values, an empty volume, one of more than 2²⁴ voxels
    /// or with a side above 1,024, or a value that is not finite.
    pub fn new(kernel: &[f64], size: [usize; 3]) -> Result<Self, OperatorError> {
        let [d, h, w] = size;
        let voxels = voxels(size)?;
        for n in size {
            require("side of a volume", n as f64, "at most 1,024", n <= 1024)?;
        }
        if kernel.len() != voxels {
            return Err(OperatorError::Length {
                values: "a kernel",
                found: kernel.len(),
                expected: voxels,
            });
        }
        for &value in kernel {
            require("kernel's value", value, "finite", value.is_finite())?;
        }
        let [re, im] = transform(kernel, size);
        let magnitudes: Vec<f64> = re.iter().zip(&im).map(|(re, im)| re.hypot(*im)).collect();
        let none = 1e-15 * magnitudes.iter().fold(0.0, |a: f64, &b| a.max(b));
        let unit = |part: &[f64]| -> Vec<f64> {
            let each = part.iter().zip(&magnitudes);
            each.map(|(part, &m)| if m > none { part / m } else { 0.0 })
                .collect()
        };
        let phase = [unit(&re), unit(&im)].concat();
        let clipped = magnitudes.iter().map(|&m| if m > none { m } else { 0.0 });
        Ok(Self {
            size,
            magnitudes: Constant::new(clipped.collect(), [1, 1, d, h, w]),
            spectrum: Constant::new([re, im].concat(), [2, 1, d, h, w]),
            phase: Constant::new(phase, [2, 1, d, h, w]),
        })
    }

    /// A Gaussian with standard deviations `sigma` (depth, rows, columns) in voxels, of sum 1.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless each σ is above 0 and below 1,000, or as
    /// [`new`](Self::new).
    pub fn gaussian(sigma: [f64; 3], size: [usize; 3]) -> Result<Self, OperatorError> {
        voxels(size)?;
        for value in sigma {
            let valid = value > 0.0 && value < 1e3;
            require("blur's σ", value, "above 0 and below 1,000 voxels", valid)?;
        }
        let line = |axis: usize| -> Vec<f64> {
            let n = size[axis];
            let value = |i: usize| (-0.5 * (i.min(n - i) as f64 / sigma[axis]).powi(2)).exp();
            let sum: f64 = (0..n).map(value).sum();
            (0..n).map(|i| value(i) / sum).collect()
        };
        let [z, y, x] = [0, 1, 2].map(line);
        let rows = z.iter().flat_map(|a| y.iter().map(move |b| a * b));
        let values: Vec<f64> = rows.flat_map(|a| x.iter().map(move |b| a * b)).collect();
        Self::new(&values, size)
    }

    /// Multiplies the spectrum by `factor`, or by its conjugate.
    fn filtered(x: Tensor<5>, factor: &Constant<5>, conjugate: bool) -> Tensor<5> {
        let [re, im] = spectrum(x);
        let factor = factor.beside(&re);
        let (a, b) = (factor.clone().narrow(0, 0, 1), factor.narrow(0, 1, 1));
        let b = if conjugate { b * -1.0 } else { b };
        let product = [
            re.clone() * a.clone() - im.clone() * b.clone(),
            re * b + im * a,
        ];
        fft3(product, Sign::Inverse, fft2)[0].clone()
    }

    fn sized(&self, found: [usize; 5]) -> Result<[usize; 5], OperatorError> {
        let [d, h, w] = self.size;
        fits("blur of a volume", &found, found[2..] == self.size, || {
            format!("[batch, channels, {d}, {h}, {w}]")
        })?;
        Ok(found)
    }
}

/// Real and imaginary part of the transform of a kernel, without a factor, on the host.
fn transform(kernel: &[f64], [d, h, w]: [usize; 3]) -> [Vec<f64>; 2] {
    let (mut re, mut im) = (kernel.to_vec(), vec![0.0; kernel.len()]);
    // One dimension after the other, by the definition.
    for (n, stride) in [(w, 1), (h, w), (d, h * w)] {
        let turns: Vec<(f64, f64)> = (0..n)
            .map(|k| (TAU * k as f64 / n as f64).sin_cos())
            .collect();
        let (from_re, from_im) = (re.clone(), im.clone());
        for (place, (re, im)) in re.iter_mut().zip(&mut im).enumerate() {
            let k = place / stride % n;
            let first = place - k * stride;
            (*re, *im) = (0.0, 0.0);
            for i in 0..n {
                let (sin, cos) = turns[i * k % n];
                let (a, b) = (from_re[first + i * stride], from_im[first + i * stride]);
                *re += a * cos + b * sin;
                *im += b * cos - a * sin;
            }
        }
    }
    [re, im]
}

/// Real and imaginary part of the unitary transform of a real volume.
fn spectrum(x: Tensor<5>) -> [Tensor<5>; 2] {
    fft3([x.clone(), x.zeros_like()], Sign::Forward, fft2)
}

/// `Re F x − Im F x`: orthogonal, symmetric, its own inverse.
fn hartley(x: Tensor<5>) -> Tensor<5> {
    let [re, im] = spectrum(x);
    re - im
}

impl Operator<5> for VolumeBlur {
    fn output_shape(&self, signal: [usize; 5]) -> Result<[usize; 5], OperatorError> {
        self.sized(signal)
    }

    fn apply_unchecked(&self, x: Tensor<5>) -> Tensor<5> {
        Self::filtered(x, &self.spectrum, false)
    }
}

impl Linear<5> for VolumeBlur {
    fn input_shape(&self, measured: [usize; 5]) -> Result<[usize; 5], OperatorError> {
        self.sized(measured)
    }

    fn adjoint_unchecked(&self, y: Tensor<5>) -> Tensor<5> {
        Self::filtered(y, &self.spectrum, true)
    }

    closed_form!(5);
}

impl Spectral<5> for VolumeBlur {
    fn singular_values(&self, like: &Tensor<5>) -> Tensor<5> {
        self.magnitudes.beside(like)
    }

    fn signal_to_spectrum(&self, x: Tensor<5>) -> Tensor<5> {
        hartley(x)
    }

    fn spectrum_to_signal(&self, c: Tensor<5>) -> Tensor<5> {
        hartley(c)
    }

    fn measured_to_spectrum(&self, y: Tensor<5>) -> Tensor<5> {
        hartley(Self::filtered(y, &self.phase, true))
    }

    fn spectrum_to_measured(&self, c: Tensor<5>) -> Tensor<5> {
        Self::filtered(hartley(c), &self.phase, false)
    }
}
