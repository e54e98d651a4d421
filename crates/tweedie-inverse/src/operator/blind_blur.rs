//! A blur whose kernel is a part of the signal.
//!
//! A signal `[b, c + 1, h, w]` holds an image in its first `c` channels and `u` in the upper-left
//! corner of the last. The kernel is `k = max(u + 1, 0)/Σ max(u + 1, 0)`, so that no draw of `u` is
//! negative or changes the brightness, and the measurement is `k ∗ x` where the kernel lies within
//! the image.
//!
//! # Reference
//! Chung, Kim, Kim & Ye 2023, arXiv:2211.10656.

use super::error::{checked, fits, require};
use super::{Operator, OperatorError};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tweedie_ops::{Sign, fft2};

/// The convolution of an image with the kernel beside it.
///
/// The kernel's `u` is in `[−1, 1]`, where −1 is 0. Its centre is at row and column `size/2`.
/// Products ([`Product`](tweedie_core::Product)) of an image's prior and a kernel's
/// ([`Corner`](tweedie_core::Corner)) are priors of such signals.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{BlindBlur, Operator, PointSpread};
///
/// let blur = BlindBlur::new(7)?;
/// let x = Tensor::<4>::ones([1, 3, 32, 32], &Device::flex());
/// let kernel = PointSpread::motion(7, 0.5, 1)?;
/// let signal = blur.signal(x, &kernel)?;
/// assert_eq!(signal.dims(), [1, 4, 32, 32]);
/// assert_eq!(blur.apply(signal).dims(), [1, 3, 26, 26]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct BlindBlur {
    size: usize,
}

checked!(BlindBlur { size: usize } by BlindBlur::new);

/// Keeps the normalisation of an empty kernel finite.
const LEAST: f64 = 1e-6;

impl BlindBlur {
    /// A blur with a kernel of `size × size` pixels.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a size of 0.
    pub fn new(size: usize) -> Result<Self, OperatorError> {
        require("kernel's size", size as f64, "at least 1", size > 0)?;
        Ok(Self { size })
    }

    /// The kernels of signals, `[b, 1, size, size]`, each of sum 1.
    ///
    /// # Panics
    /// If the signals are smaller than the kernel.
    #[must_use]
    pub fn kernels(self, signal: Tensor<4>) -> Tensor<4> {
        let channels = signal.dims()[1];
        let corner = signal
            .narrow(1, channels - 1, 1)
            .narrow(2, 0, self.size)
            .narrow(3, 0, self.size);
        let raw = (corner + 1.0).clamp_min(0.0);
        let sum = raw.clone().sum_dim(3).sum_dim(2) + LEAST;
        raw / sum
    }

    /// The images of signals.
    #[must_use]
    pub fn images(self, signal: Tensor<4>) -> Tensor<4> {
        let channels = signal.dims()[1];
        signal.narrow(1, 0, channels - 1)
    }

    /// The signal of images and one kernel: the kernel's values, divided by their largest.
    ///
    /// # Errors
    /// [`OperatorError`] if the kernel is larger than `size` or has a value below 0, or if the
    /// images are smaller.
    pub fn signal(
        self,
        images: Tensor<4>,
        kernel: &super::PointSpread,
    ) -> Result<Tensor<4>, OperatorError> {
        let [batch, channels, height, width] = images.dims();
        let [rows, columns] = kernel.size();
        self.output_shape([batch, channels + 1, height, width])?;
        let holds = rows <= self.size && columns <= self.size;
        let most = self.size;
        fits("a kernel", &[rows, columns], holds, || {
            format!("at most {most}×{most} pixels")
        })?;
        let least = kernel.values().iter().copied().fold(0.0, f64::min);
        require("kernel's value", least, "at least 0", least >= 0.0)?;
        let largest = kernel.values().iter().copied().fold(LEAST, f64::max);
        let mut plane = vec![0.0; height * width];
        let from = [rows, columns].map(|n| self.size / 2 - n / 2);
        for row in 0..self.size {
            plane[row * width..row * width + self.size].fill(-1.0);
        }
        for (i, value) in kernel.values().iter().enumerate() {
            let place = (from[0] + i / columns) * width + from[1] + i % columns;
            plane[place] = 2.0 * value / largest - 1.0;
        }
        let device = images.device();
        let plane = Tensor::<1>::from_data(&plane[..], (&device, images.dtype()));
        let plane = plane
            .reshape([1, 1, height, width])
            .expand([batch, 1, height, width]);
        Ok(Tensor::cat(vec![images, plane], 1))
    }
}

impl Operator<4> for BlindBlur {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let [batch, channels, height, width] = signal;
        let size = self.size;
        let holds = channels > 1 && height >= size && width >= size;
        fits("a blur with an unknown kernel", &signal, holds, || {
            format!("[batch, channels of the image and 1, {size} or more, {size} or more]")
        })?;
        Ok([batch, channels - 1, height + 1 - size, width + 1 - size])
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let (images, count) = (self.images(x.clone()), channels - 1);
        let kernels = self.kernels(x);
        let like = (&kernels.device(), kernels.dtype());
        let right = Tensor::zeros([batch, 1, self.size, width - self.size], like);
        let below = Tensor::zeros([batch, 1, height - self.size, width], like);
        let kernels = Tensor::cat(vec![kernels, right], 3);
        let kernels = Tensor::cat(vec![kernels, below], 2);
        let spectrum = |x: Tensor<4>| {
            let [_, planes, _, _] = x.dims();
            let x = x.reshape([batch * planes, 1, height, width]);
            let z = fft2(
                Tensor::cat(vec![x.clone(), x.zeros_like()], 1),
                Sign::Forward,
            );
            let part = |i: usize| {
                let part = z.clone().narrow(1, i, 1);
                part.reshape([batch, planes, height, width])
            };
            [part(0), part(1)]
        };
        let ([a, b], [c, d]) = (spectrum(images), spectrum(kernels));
        let real = a.clone() * c.clone() - b.clone() * d.clone();
        let imaginary = a * d + b * c;
        let planes = [batch * count, 1, height, width];
        let both = vec![real.reshape(planes), imaginary.reshape(planes)];
        let y = fft2(Tensor::cat(both, 1), Sign::Inverse).narrow(1, 0, 1);
        // The transforms are unitary.
        let y = y * ((height * width) as f64).sqrt();
        let y = y.reshape([batch, count, height, width]);
        y.narrow(2, self.size - 1, height + 1 - self.size).narrow(
            3,
            self.size - 1,
            width + 1 - self.size,
        )
    }
}
