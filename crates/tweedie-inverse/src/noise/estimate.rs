//! The noise of an image, estimated from the image alone.
//!
//! The diagonal Haar coefficients of 2×2 pixels, `(a − b − c + d)/2`, have the variance of white
//! noise and little of the image. Their median magnitude, divided by that of the standard normal
//! distribution, is robust against the edges that they do have.
//!
//! # Reference
//! Donoho & Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage" (the level); Foi,
//! Trimeche, Katkovnik & Egiazarian 2008, "Practical Poissonian-Gaussian noise modeling and fitting
//! for single-image raw-data" (the gain).

use crate::operator::OperatorError;
use crate::operator::error::{fits, require};
use crate::values::finite_values;
use burn::tensor::Tensor;

/// The median of the magnitude of a standard normal value.
const MEDIAN: f64 = 0.674_489_750_196_081_7;

/// The standard deviation of white Gaussian noise in each image of a batch, all channels together.
///
/// Images of noise alone give the noise up to the error of a median; texture is counted as noise.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, Noise};
/// use tweedie_inverse::noise::estimate_sigma;
///
/// let flat = Tensor::<4>::full([1, 1, 64, 64], 0.5, &Device::flex());
/// let noisy = flat.clone() + HostNoise::seeded(0).normal_like(&flat) * 0.1;
/// assert!((estimate_sigma(noisy)?[0] - 0.1).abs() < 0.01);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
///
/// # Errors
/// [`OperatorError`] for images below 2×2 pixels or with values that are not finite.
pub fn estimate_sigma(images: Tensor<4>) -> Result<Vec<f64>, OperatorError> {
    let each = haar(&images)?.into_iter();
    let sigma = each.map(|pairs| spread(pairs.into_iter().map(|(_, detail)| detail)));
    Ok(sigma.collect())
}

/// The noise of a camera: `Var[y] = gain · E[y] + σ²`, as of
/// [`PoissonGaussianNoise`](super::PoissonGaussianNoise).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CameraNoise {
    /// The gain: the variance for each unit of the mean.
    pub gain: f64,
    /// The standard deviation of the noise that does not depend on the mean.
    pub sigma: f64,
}

/// The gain and the noise without light of each image of a batch, for values from 0.
///
/// The means of 2×2 pixels are sorted into classes of equal size. The line through the classes'
/// means and variances, weighted by the accuracy of the variances, has the gain as its slope.
/// Neither is below 0.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{HostNoise, Noise};
/// use tweedie_inverse::noise::estimate_camera_noise;
///
/// // A ramp of 10 to 250, with the noise of a gain of 0.5.
/// let ramp: Vec<f32> = (0..256 * 256).map(|i| 10.0 + 240.0 * (i % 256) as f32 / 255.0).collect();
/// let mean = Tensor::<1>::from_floats(&ramp[..], &Device::flex()).reshape([1, 1, 256, 256]);
/// let noise = HostNoise::seeded(0).normal_like(&mean);
/// let noisy = mean.clone() + noise * (mean * 0.5 + 4.0).sqrt();
/// let found = estimate_camera_noise(noisy)?[0];
/// assert!((found.gain - 0.5).abs() < 0.05 && (found.sigma - 2.0).abs() < 1.0);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
///
/// # Errors
/// [`OperatorError`] for images below 64×64 pixels or with values that are not finite.
pub fn estimate_camera_noise(images: Tensor<4>) -> Result<Vec<CameraNoise>, OperatorError> {
    let [_, _, height, width] = images.dims();
    let least = height.min(width);
    require("side of an image", least as f64, "at least 64", least >= 64)?;
    Ok(haar(&images)?.into_iter().map(line).collect())
}

/// The mean and the diagonal detail of 2×2 pixels of each image.
fn haar(images: &Tensor<4>) -> Result<Vec<Vec<(f64, f64)>>, OperatorError> {
    let [batch, channels, height, width] = images.dims();
    let holds = batch * channels > 0 && height > 1 && width > 1;
    fits("a noisy image", &images.dims(), holds, || {
        "at least 2×2 pixels".into()
    })?;
    finite_values("an image", images)?;
    let data = images.to_data();
    let values: Vec<f64> = data.iter::<f64>().collect();
    let blocks = |image: &[f64]| -> Vec<(f64, f64)> {
        let planes = image.chunks(height * width);
        let pairs = planes.flat_map(|plane| {
            (0..height / 2).flat_map(move |row| {
                (0..width / 2).map(move |column| {
                    let at = |i: usize, j: usize| plane[(2 * row + i) * width + 2 * column + j];
                    let (a, b, c, d) = (at(0, 0), at(0, 1), at(1, 0), at(1, 1));
                    ((a + b + c + d) / 4.0, (a - b - c + d) / 2.0)
                })
            })
        });
        pairs.collect()
    };
    let size = channels * height * width;
    Ok(values.chunks(size).map(blocks).collect())
}

/// The standard deviation of normal values, by the median of their magnitudes.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let mut magnitudes: Vec<f64> = values.map(f64::abs).collect();
    let middle = magnitudes.len() / 2;
    let (_, median, _) = magnitudes.select_nth_unstable_by(middle, f64::total_cmp);
    *median / MEDIAN
}

/// Fits the variances of classes of equal means by a line.
fn line(mut pairs: Vec<(f64, f64)>) -> CameraNoise {
    const CLASSES: usize = 32;
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let cut = |i: usize| i * pairs.len() / CLASSES;
    let classes: Vec<(f64, f64)> = (0..CLASSES)
        .map(|i| {
            let class = &pairs[cut(i)..cut(i + 1)];
            let mean = class.iter().map(|(mean, _)| mean).sum::<f64>() / class.len() as f64;
            (
                mean,
                spread(class.iter().map(|(_, detail)| *detail)).powi(2),
            )
        })
        .collect();
    let overall = classes.iter().map(|(_, v)| v).sum::<f64>() / CLASSES as f64;
    let mut found = CameraNoise {
        gain: 0.0,
        sigma: overall.sqrt(),
    };
    // The error of a variance is in proportion to it, as the line so far says: twice weighted.
    for _ in 0..3 {
        let floor = (1e-3 * overall).max(f64::MIN_POSITIVE);
        let weight = |m: f64| (found.gain * m + found.sigma.powi(2)).max(floor).powi(-2);
        let weighted = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            classes.iter().map(|&(m, v)| of(m, v) * weight(m)).sum()
        };
        let total = weighted(&|_, _| 1.0);
        let (m, v) = (weighted(&|m, _| m) / total, weighted(&|_, v| v) / total);
        let across = weighted(&|x, y| (x - m) * (y - v));
        let along = weighted(&|x, _| (x - m).powi(2));
        let gain = if along > 0.0 {
            (across / along).max(0.0)
        } else {
            0.0
        };
        found = CameraNoise {
            gain,
            sigma: (v - gain * m).max(0.0).sqrt(),
        };
    }
    found
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::tensor::Device;
    use tweedie_core::{HostNoise, Noise};

    /// Sizes that the classes divide and sizes that leave a remainder.
    #[test]
    fn the_gain_of_a_ramp_is_found_at_any_size() {
        for (side, room) in [(66, 0.2), (130, 0.1), (258, 0.05)] {
            let ramp = (0..side * side).map(|i| 5.0 + 100.0 * (i % side) as f32 / side as f32);
            let ramp: Vec<f32> = ramp.collect();
            let ramp = Tensor::<1>::from_floats(&ramp[..], &Device::flex());
            let mean = ramp.reshape([1, 1, side, side]).repeat_dim(0, 8);
            let z = HostNoise::seeded(side as u64).normal_like(&mean);
            let noisy = mean.clone() + z * (mean * 0.5 + 1.0).sqrt();
            for found in estimate_camera_noise(noisy).expect("an estimate") {
                assert_abs_diff_eq!(found.gain, 0.5, epsilon = room);
            }
        }
    }
}
