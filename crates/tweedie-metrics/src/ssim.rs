//! Structural similarity (SSIM): compares luminance, contrast and structure in a sliding window.
//!
//! `SSIM = (2 μ_x μ_y + C₁)(2 σ_xy + C₂)/((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂))` with
//! `C₁ = (0.01 L)²`, `C₂ = (0.03 L)²` for a range of length `L`, averaged over windows and
//! channels.
//!
//! # Reference
//! Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity";
//! Wang et al. 2003, "Multi-scale structural similarity for image quality assessment".

use burn::tensor::{DType, Tensor, TensorData};

/// The shape and the weights of the sliding window.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Window {
    /// Weights `exp(−r²/(2σ²))` over `2 ⌊3.5σ + ½⌋ + 1` pixels a side.
    Gaussian {
        /// The standard deviation σ in pixels.
        sigma: f64,
    },
    /// Equal weights over `size × size` pixels.
    Uniform {
        /// Height and width; must be odd and above 1.
        size: usize,
    },
}

/// The treatment of windows at the image border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Border {
    /// Uses only windows that fit into the image, as in the paper and in scikit-image.
    Valid,
    /// Centres a window on every pixel, as in torchmetrics and deepinv. The image is mirrored about
    /// its outermost pixels.
    Reflect,
}

/// The settings of structural similarity, which differ between libraries.
///
/// | | window | border | covariance |
/// |---|---|---|---|
/// | the paper; `Ssim::new` | Gaussian, σ = 1.5 | valid | population |
/// | scikit-image's default | uniform, 7 | valid | sample |
/// | torchmetrics, deepinv | Gaussian, σ = 1.5 | reflect | population |
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_metrics::Ssim;
///
/// let x = Tensor::<4>::random([2, 3, 32, 32], Distribution::Default, &Device::flex());
/// let ssim = Ssim::new(1.0);
/// assert!((ssim.of(x.clone(), x.clone())[1] - 1.0).abs() < 1e-5);
/// assert!(ssim.of(x.clone(), x * 0.5)[0] < 0.9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ssim {
    length: f64,
    window: Window,
    border: Border,
    sample_covariance: bool,
}

/// The weights of the five scales of MS-SSIM.
const SCALES: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

impl Ssim {
    /// The paper's settings, for images in a range of `length`: 1 for `[0, 1]`, 2 for `[−1, 1]`.
    #[must_use]
    pub fn new(length: f64) -> Self {
        Self {
            length,
            window: Window::Gaussian { sigma: 1.5 },
            border: Border::Valid,
            sample_covariance: false,
        }
    }

    /// Sets the window.
    #[must_use]
    pub fn with_window(self, window: Window) -> Self {
        Self { window, ..self }
    }

    /// Sets the treatment of the border.
    #[must_use]
    pub fn with_border(self, border: Border) -> Self {
        Self { border, ..self }
    }

    /// Sets whether variances are sample variances: multiplied by `n/(n − 1)` for windows of `n`
    /// pixels.
    #[must_use]
    pub fn with_sample_covariance(self, sample_covariance: bool) -> Self {
        Self {
            sample_covariance,
            ..self
        }
    }

    /// The SSIM of each image of a batch `[b, c, h, w]` to its reference; 1 for equal images.
    ///
    /// # Panics
    /// If the shapes differ, the window or the range is invalid, or an image is smaller than the
    /// window.
    #[must_use]
    pub fn of(self, x: Tensor<4>, reference: Tensor<4>) -> Vec<f64> {
        let [b, ..] = x.dims();
        let (full, _) = self.means(x, reference);
        let [_, c] = full.dims();
        let sum = full.sum_dim(1) / c as f64;
        sum.reshape([b]).into_data().iter::<f64>().collect()
    }

    /// The multi-scale similarity (MS-SSIM) of each image to its reference.
    ///
    /// Uses five scales: the images, then four times the mean of 2×2 pixels of the scale before; a
    /// last odd row or column is dropped. Per channel, the result is the product of contrast and
    /// structure at each scale to the powers 0.0448, 0.2856, 0.3001, 0.2363 and 0.1333. The last
    /// scale also includes the luminance. The channels are averaged. Negative means count as 0.
    ///
    /// # Panics
    /// If the shapes differ, the window or the range is invalid, or an image is smaller than 16
    /// times the window (176 pixels by default).
    #[must_use]
    pub fn multi_scale(self, mut x: Tensor<4>, mut reference: Tensor<4>) -> Vec<f64> {
        let [b, c, ..] = x.dims();
        let mut product = vec![1.0; b * c];
        for (scale, weight) in SCALES.into_iter().enumerate() {
            let (full, contrast) = self.means(x.clone(), reference.clone());
            let last = scale + 1 == SCALES.len();
            let means = if last { full } else { contrast }.into_data();
            for (product, mean) in product.iter_mut().zip(means.iter::<f64>()) {
                // NaN is kept.
                let mean = if mean < 0.0 { 0.0 } else { mean };
                *product *= mean.powf(weight);
            }
            if !last {
                (x, reference) = (halve(x), halve(reference));
            }
        }
        product
            .chunks(c)
            .map(|image| image.iter().sum::<f64>() / c as f64)
            .collect()
    }

    /// Means over windows for each channel of each image, `[b, c]`: of the full similarity, and of
    /// contrast and structure only.
    fn means(self, x: Tensor<4>, reference: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        assert_eq!(x.dims(), reference.dims(), "images of one shape");
        assert!(self.length > 0.0, "a range of a length above 0");
        let [b, c, h, w] = x.dims();
        // Half precision is too coarse for variances.
        let wide = |x: Tensor<4>| match x.dtype() {
            DType::F64 => x,
            _ => x.cast(DType::F32),
        };
        let (x, reference) = (wide(x), wide(reference));
        let (weights, count) = self.weights(h.min(w));
        let [rows, columns] = [h, w].map(|n| self.matrix(&weights, n, &x));
        let mean = |x: Tensor<4>| rows.clone().matmul(x).matmul(columns.clone().transpose());
        let unbiased = match self.sample_covariance {
            true => count / (count - 1.0),
            false => 1.0,
        };
        let (mx, my) = (mean(x.clone()), mean(reference.clone()));
        let moment = |a: &Tensor<4>, b: &Tensor<4>, ma: &Tensor<4>, mb: &Tensor<4>| {
            (mean(a.clone() * b.clone()) - ma.clone() * mb.clone()) * unbiased
        };
        let (vx, vy) = (
            moment(&x, &x, &mx, &mx),
            moment(&reference, &reference, &my, &my),
        );
        let covariance = moment(&x, &reference, &mx, &my);
        let [c1, c2] = [0.01, 0.03].map(|k: f64| (k * self.length).powi(2));
        let contrast = (covariance * 2.0 + c2) / (vx + vy + c2);
        let luminance = (mx.clone() * my.clone() * 2.0 + c1) / (mx.square() + my.square() + c1);
        let average = |map: Tensor<4>| -> Tensor<2> {
            let [_, _, h, w] = map.dims();
            map.reshape([b * c, h * w]).mean_dim(1).reshape([b, c])
        };
        (average(luminance * contrast.clone()), average(contrast))
    }

    /// The window's weights along one side, and its number of pixels.
    ///
    /// # Panics
    /// If the window is invalid, or larger than `room` pixels.
    fn weights(self, room: usize) -> (Vec<f64>, f64) {
        match self.window {
            Window::Uniform { size } => {
                let legal = size % 2 == 1 && size > 1 && size <= room;
                assert!(legal, "a window of {size} pixels: odd, from 3 to {room}");
                (vec![1.0 / size as f64; size], (size * size) as f64)
            }
            Window::Gaussian { sigma } => {
                let reach = (3.5 * sigma + 0.5).floor();
                let legal = reach >= 1.0 && 2.0 * reach + 1.0 <= room as f64;
                assert!(
                    legal,
                    "a window of σ = {sigma}: 2 ⌊3.5 σ + ½⌋ + 1 pixels, from 3 to {room}"
                );
                let reach = reach as i32;
                let weight = |i: i32| (-0.5 * (f64::from(i) / sigma).powi(2)).exp();
                let weights: Vec<f64> = (-reach..=reach).map(weight).collect();
                let sum: f64 = weights.iter().sum();
                let count = weights.len() * weights.len();
                (
                    weights.iter().map(|weight| weight / sum).collect(),
                    count as f64,
                )
            }
        }
    }

    /// The matrix that computes windowed averages along a side of `n` pixels.
    fn matrix(self, weights: &[f64], n: usize, like: &Tensor<4>) -> Tensor<4> {
        let reach = match self.border {
            Border::Valid => 0,
            Border::Reflect => weights.len() / 2,
        };
        assert!(
            n >= weights.len() && n > reach,
            "a side of {n} pixels for a window of {}",
            weights.len()
        );
        let count = n + 2 * reach + 1 - weights.len();
        let mut matrix = vec![0.0; count * n];
        for (i, row) in matrix.chunks_mut(n).enumerate() {
            for (k, weight) in weights.iter().enumerate() {
                let place = (i + k).abs_diff(reach);
                row[place.min((2 * (n - 1)).abs_diff(place))] += weight;
            }
        }
        let data = TensorData::new(matrix, [1, 1, count, n]);
        Tensor::from_data(data, (&like.device(), like.dtype()))
    }
}

/// Halves the resolution by averaging 2×2 pixels.
fn halve(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let even = x.narrow(2, 0, h / 2 * 2).narrow(3, 0, w / 2 * 2);
    even.reshape([b, c, h / 2, 2, w / 2, 2])
        .mean_dim(3)
        .mean_dim(5)
        .reshape([b, c, h / 2, w / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn an_image_against_its_negative_has_no_structure() {
        let (device, dtype) = (Device::flex(), DType::F64);
        let x = Tensor::<4>::random([1, 3, 176, 180], Distribution::Default, (&device, dtype));
        let ssim = Ssim::new(1.0);
        assert_eq!(ssim.multi_scale(-x.clone() + 1.0, x.clone()), [0.0]);
        assert!(ssim.of(-x.clone() + 1.0, x.clone())[0] < 0.0);
        assert_abs_diff_eq!(ssim.multi_scale(x.clone(), x)[0], 1.0, epsilon = 1e-12);
    }

    #[test]
    fn a_window_over_the_whole_image_is_the_formula() {
        let (device, dtype) = (Device::flex(), DType::F64);
        let random = || Tensor::<4>::random([1, 1, 7, 7], Distribution::Default, (&device, dtype));
        let (x, y) = (random(), random());
        let host = |x: &Tensor<4>| -> Vec<f64> { x.to_data().iter::<f64>().collect() };
        let (a, b) = (host(&x), host(&y));
        let mean = |v: &[f64]| v.iter().sum::<f64>() / 49.0;
        let (ma, mb) = (mean(&a), mean(&b));
        let cov = |v: &[f64], mv: f64, u: &[f64], mu: f64| {
            v.iter()
                .zip(u)
                .map(|(v, u)| (v - mv) * (u - mu))
                .sum::<f64>()
                / 48.0
        };
        let (va, vb, vab) = (
            cov(&a, ma, &a, ma),
            cov(&b, mb, &b, mb),
            cov(&a, ma, &b, mb),
        );
        let expected = (2.0 * ma * mb + 1e-4) * (2.0 * vab + 9e-4)
            / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4));
        let ssim = Ssim::new(1.0)
            .with_window(Window::Uniform { size: 7 })
            .with_sample_covariance(true);
        assert_abs_diff_eq!(ssim.of(x, y)[0], expected, epsilon = 1e-12);
    }
}
