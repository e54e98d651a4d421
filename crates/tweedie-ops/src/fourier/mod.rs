//! Fourier transforms of any size, in any precision, with gradients.
//!
//! burn's own transforms only take powers of two. On the CPU backend these use `rustfft`, on every
//! other device products with small matrices. Both are exact for every size, up to rounding.

#[cfg(feature = "flex")]
mod host;
mod matrix;

use crate::Constant;
use burn::tensor::Tensor;
use realfft::num_complex::Complex;
use rustfft::FftPlanner;
use std::sync::{Arc, OnceLock};

/// The sign of the exponent of a Fourier transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `e^{−2πi …}`.
    Forward,
    /// `e^{+2πi …}`.
    Inverse,
}

/// Computes the unitary Fourier transform of complex images.
///
/// `X_{kl} = 1/√(hw) Σ_{mn} x_{mn} e^{∓2πi (km/h + ln/w)}`.
///
/// `z` is `[n, 2, h, w]`, real parts in channel 0, imaginary parts in channel 1. Because the
/// transform is unitary, its adjoint and its gradient are the transform of the other sign.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_ops::{Sign, fft2};
///
/// let z = Tensor::<4>::random([1, 2, 6, 7], Distribution::Default, &Device::flex());
/// let back = fft2(fft2(z.clone(), Sign::Forward), Sign::Inverse);
/// assert!((back - z).abs().max().into_scalar::<f32>() < 1e-6);
/// ```
///
/// # Panics
/// If there are not 2 channels, or if an image has no pixels.
#[must_use]
pub fn fft2(z: Tensor<4>, sign: Sign) -> Tensor<4> {
    transform(z, sign, false)
}

/// Computes [`fft2`] with the image origin and the zero frequency in the centre.
///
/// `fftshift ∘ F ∘ ifftshift`; the centre is at `h/2` and `w/2`, rounded down.
///
/// # Panics
/// If there are not 2 channels, or if an image has no pixels.
#[must_use]
pub fn fft2_centred(z: Tensor<4>, sign: Sign) -> Tensor<4> {
    transform(z, sign, true)
}

fn transform(z: Tensor<4>, sign: Sign, centred: bool) -> Tensor<4> {
    let [_, channels, h, w] = z.dims();
    assert_eq!(channels, 2, "a real and an imaginary channel");
    assert!(h * w > 0, "an image of no pixels");
    let inverse = sign == Sign::Inverse;
    #[cfg(feature = "flex")]
    if crate::host::is_host(&z) {
        let map = Arc::new(host::Planes { inverse, centred });
        return crate::host::run(map, z, crate::host::Direction::Forward);
    }
    if !centred {
        return fft2_by_matrices(z, inverse);
    }
    let roll = |z: Tensor<4>, by: [usize; 2]| z.roll(&by.map(|n| n as i64), &[2, 3]);
    let z = fft2_by_matrices(roll(z, [h - h / 2, w - w / 2]), inverse);
    roll(z, [h / 2, w / 2])
}

/// Composes [`fft2`] of tensor operations.
fn fft2_by_matrices(z: Tensor<4>, inverse: bool) -> Tensor<4> {
    let [n, _, h, w] = z.dims();
    let part = |channel: usize| z.clone().narrow(1, channel, 1);
    let rows = |x: Tensor<4>| -> Tensor<2> { x.reshape([n * h, w]) };
    let (re, im) = matrix::transform((rows(part(0)), rows(part(1))), inverse);
    let columns =
        |x: Tensor<2>| -> Tensor<2> { x.reshape([n, h, w]).swap_dims(1, 2).reshape([n * w, h]) };
    let (re, im) = matrix::transform((columns(re), columns(im)), inverse);
    let back = |x: Tensor<2>| -> Tensor<4> { x.reshape([n, 1, w, h]).swap_dims(2, 3) };
    Tensor::cat(vec![back(re), back(im)], 1) * (1.0 / ((h * w) as f64).sqrt())
}

/// A circular filter of images of one size: `y = F⁻¹ (H ∘ F x)`.
///
/// `H` is the spectrum of a real kernel. There is one for all planes, one for each channel, or one
/// for each sample and channel.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::CircularFilter;
///
/// // The kernel shifts an image down by one row.
/// let mut kernel = vec![0.0; 3 * 5];
/// kernel[5] = 1.0;
/// let filter = CircularFilter::of_kernel(&kernel, [1, 1], [3, 5]);
/// let x = Tensor::<4>::from_floats([[[[1.0; 5], [2.0; 5], [3.0; 5]]]], &Device::flex());
/// let y = filter.forward(x);
/// assert!((y.slice([0..1, 0..1, 0..1]).mean().into_scalar::<f32>() - 3.0).abs() < 1e-6);
/// ```
#[derive(Clone, Debug)]
pub struct CircularFilter {
    size: [usize; 2],
    planes: [usize; 2],
    /// The spectrum by columns, `[plane][w/2 + 1][h]`.
    spectrum: Arc<Vec<Complex<f64>>>,
    /// The whole spectrum, `[sample, channel, 2, h, w]`, for devices without a host kernel.
    whole: Arc<OnceLock<Constant<5>>>,
    #[cfg(feature = "flex")]
    host: Arc<host::SpectralFilter>,
}

fn all_finite(values: &[f64]) -> bool {
    values.iter().all(|value| value.is_finite())
}

impl CircularFilter {
    /// Creates the filter `y_i = Σ_j k_j x_{i−j}`, with indices modulo the size.
    ///
    /// `kernel` holds planes `[samples, channels]` of `size` rows and columns.
    ///
    /// # Panics
    /// If a size or a number of planes is 0, if the number of values does not match, or if a value
    /// is not finite.
    #[must_use]
    pub fn of_kernel(kernel: &[f64], planes: [usize; 2], size: [usize; 2]) -> Self {
        let [h, w] = size;
        let count = planes[0] * planes[1];
        assert!(h * w > 0 && count > 0, "an image of no pixels");
        assert_eq!(kernel.len(), count * h * w, "values of the kernel");
        assert!(all_finite(kernel), "a kernel that is not finite");
        let half = w / 2 + 1;
        let mut planner = FftPlanner::new();
        let (rows, columns) = (planner.plan_fft_forward(w), planner.plan_fft_forward(h));
        let mut spectrum = Vec::with_capacity(count * half * h);
        for plane in kernel.chunks(h * w) {
            let mut values: Vec<Complex<f64>> = plane.iter().map(|&k| k.into()).collect();
            rows.process(&mut values);
            let mut lines: Vec<_> = (0..half * h).map(|i| values[i % h * w + i / h]).collect();
            columns.process(&mut lines);
            spectrum.append(&mut lines);
        }
        Self::of_columns(spectrum, planes, size)
    }

    /// Creates the filter with a real and even spectrum: `magnitudes` holds `H`, row by row, of
    /// `size`.
    ///
    /// # Panics
    /// If the size is 0, if the number of values does not match, or if a value is not finite.
    #[must_use]
    pub fn of_magnitudes(magnitudes: &[f64], size: [usize; 2]) -> Self {
        let [h, w] = size;
        assert!(h * w > 0, "an image of no pixels");
        assert_eq!(magnitudes.len(), h * w, "values of the spectrum");
        assert!(all_finite(magnitudes), "a spectrum that is not finite");
        let half = w / 2 + 1;
        let at = |i: usize| magnitudes[i % h * w + i / h].into();
        Self::of_columns((0..half * h).map(at).collect(), [1, 1], size)
    }

    fn of_columns(spectrum: Vec<Complex<f64>>, planes: [usize; 2], size: [usize; 2]) -> Self {
        Self {
            size,
            planes,
            whole: Arc::default(),
            #[cfg(feature = "flex")]
            host: Arc::new(host::SpectralFilter::new(&spectrum, planes, size)),
            spectrum: Arc::new(spectrum),
        }
    }

    fn whole(&self) -> &Constant<5> {
        self.whole.get_or_init(|| {
            let ([h, w], [samples, channels]) = (self.size, self.planes);
            let half = w / 2 + 1;
            let mut whole = Vec::with_capacity(samples * channels * 2 * h * w);
            for plane in self.spectrum.chunks(half * h) {
                // H(−k, −l) is the conjugate of H(k, l).
                let at = |row: usize, column: usize| match column < half {
                    true => plane[column * h + row],
                    false => plane[(w - column) * h + (h - row) % h].conj(),
                };
                let values =
                    |part: fn(Complex<f64>) -> f64| (0..h * w).map(move |i| part(at(i / w, i % w)));
                whole.extend(values(|z| z.re));
                whole.extend(values(|z| z.im));
            }
            Constant::new(whole, [samples, channels, 2, h, w])
        })
    }

    /// Returns the filter with the spectrum `f(H)`.
    ///
    /// `f` must commute with complex conjugation, so that the kernel stays real.
    #[must_use]
    pub fn map(&self, f: impl Fn(Complex<f64>) -> Complex<f64>) -> Self {
        let spectrum = self.spectrum.iter().map(|&h| f(h)).collect();
        Self::of_columns(spectrum, self.planes, self.size)
    }

    /// Returns the height and width of the images.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Returns `|H|` for every frequency, `[samples, channels, h, w]`: the singular values.
    #[must_use]
    pub fn magnitudes(&self) -> Constant<4> {
        let ([h, w], [samples, channels]) = (self.size, self.planes);
        let planes = self.whole().values().chunks(2 * h * w);
        let magnitudes = planes.flat_map(|plane| {
            let (re, im) = plane.split_at(h * w);
            re.iter().zip(im).map(|(re, im)| re.hypot(*im))
        });
        Constant::new(magnitudes.collect(), [samples, channels, h, w])
    }

    /// Computes `H x` for images `[b, c, h, w]`.
    ///
    /// # Panics
    /// If height and width, or the numbers of samples and channels, do not match the filter.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.run(x, false)
    }

    /// Computes `Hᵀ y`: filters with the conjugate spectrum.
    ///
    /// # Panics
    /// If height and width, or the numbers of samples and channels, do not match the filter.
    #[must_use]
    pub fn adjoint(&self, y: Tensor<4>) -> Tensor<4> {
        self.run(y, true)
    }

    fn run(&self, x: Tensor<4>, transposed: bool) -> Tensor<4> {
        let ([b, c, ..], [samples, channels]) = (x.dims(), self.planes);
        assert_eq!(x.dims()[2..], self.size, "height and width of the filter");
        assert!(
            (samples == 1 || samples == b) && (channels == 1 || channels == c),
            "a filter of {samples}×{channels} planes for {b}×{c}"
        );
        #[cfg(feature = "flex")]
        if crate::host::is_host(&x) {
            let direction = match transposed {
                true => crate::host::Direction::Transposed,
                false => crate::host::Direction::Forward,
            };
            return crate::host::run(self.host.clone(), x, direction);
        }
        self.by_matrices(x, transposed)
    }

    /// Composes the filter of tensor operations.
    fn by_matrices(&self, x: Tensor<4>, transposed: bool) -> Tensor<4> {
        let ([b, c, h, w], [samples, channels]) = (x.dims(), self.planes);
        let z = x.reshape([b * c, 1, h, w]);
        let z = fft2_by_matrices(Tensor::cat(vec![z.clone(), z.zeros_like()], 1), false);
        let parts = |z: Tensor<4>| -> [Tensor<4>; 2] {
            [0, 1].map(|part| z.clone().narrow(1, part, 1).reshape([b, c, h, w]))
        };
        let spectrum = self.whole().beside(&z);
        let factor = |part: usize| -> Tensor<4> {
            let part = spectrum.clone().narrow(2, part, 1);
            part.reshape([samples, channels, h, w])
        };
        let [re, im] = parts(z);
        let (cos, sin) = (factor(0), factor(1));
        let sin = if transposed { sin.neg() } else { sin };
        let product: [Tensor<4>; 2] = [
            re.clone() * cos.clone() - im.clone() * sin.clone(),
            re * sin + im * cos,
        ];
        let product = product.map(|part| part.reshape([b * c, 1, h, w]));
        let [real, _] = parts(fft2_by_matrices(Tensor::cat(product.into(), 1), true));
        real
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests;
