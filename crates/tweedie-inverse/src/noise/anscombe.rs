//! Photon counts as values with Gaussian noise of one deviation.
//!
//! `z = 2 √(k + 3/8)` of a Poisson count `k` has a deviation of about 1 for any mean above 4. The
//! inverse of an estimate of `E z` is not that of `z`: the mean of a count is
//! `z²/4 + ¼ √(3/2) z⁻¹ − 11/8 z⁻² + ⅝ √(3/2) z⁻³ − 1/8`.
//!
//! # References
//! Anscombe 1948, "The transformation of Poisson, binomial and negative-binomial data"; Mäkitalo &
//! Foi 2011, "A closed-form approximation of the exact unbiased inverse of the Anscombe
//! variance-stabilizing transformation", equation 6.

use super::PoissonNoise;
use burn::tensor::Tensor;

/// Makes counts values with Gaussian noise, for denoisers of Gaussian noise.
///
/// What is denoised is then the root of an image. That suits networks of photographs, which know
/// many contrasts; a posterior that is exact in both the noise and the prior is a method's with
/// [`PoissonNoise`] itself.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::noise::{Anscombe, PoissonNoise};
///
/// let photons = Anscombe::of(PoissonNoise::new(0.1)?); // 10 photons where an image is 1
/// let y = Tensor::<1>::from_floats([0.5, 1.0], &Device::flex());
/// let z = photons.stabilise(y.clone());
/// assert!((photons.recover(z) - y).abs().max().into_scalar::<f32>() < 0.03);
/// assert!((photons.highest(1.0) - 6.44).abs() < 0.01);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anscombe {
    gain: f64,
}

/// `z` of no photon.
const LOWEST: f64 = 1.224_744_871_391_589;

impl Anscombe {
    /// The transform for this noise.
    #[must_use]
    pub fn of(noise: PoissonNoise) -> Self {
        Self { gain: noise.gain() }
    }

    /// `z = 2 √(y/gain + 3/8)`, with noise of a deviation of about 1. Negative values count as 0.
    #[must_use]
    pub fn stabilise<const D: usize>(&self, y: Tensor<D>) -> Tensor<D> {
        ((y / self.gain).clamp_min(0.0) + 0.375).sqrt() * 2.0
    }

    /// `z` of a mean of `value` without noise.
    #[must_use]
    pub fn highest(&self, value: f64) -> f64 {
        2.0 * ((value / self.gain).max(0.0) + 0.375).sqrt()
    }

    /// The image whose counts have the mean `z` after [`stabilise`](Self::stabilise).
    #[must_use]
    pub fn recover<const D: usize>(&self, z: Tensor<D>) -> Tensor<D> {
        let z = z.clamp_min(LOWEST);
        let (root, inverse) = (1.5_f64.sqrt(), z.clone().recip());
        // In powers of 1/z, by Horner's rule.
        let small = (inverse.clone() * (0.625 * root) - 1.375) * inverse.clone() + 0.25 * root;
        (z.square() * 0.25 + small * inverse - 0.125).clamp_min(0.0) * self.gain
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device};

    /// Mean and deviation of `z`, summed over the counts, of an image of 1.
    fn moments(photons: f64) -> (Anscombe, f64, f64) {
        let noise = PoissonNoise::new(1.0 / photons).expect("a gain");
        let anscombe = Anscombe::of(noise);
        let most = (photons + 12.0 * photons.sqrt() + 20.0) as usize;
        let counts: Vec<f64> = (0..most).map(|k| k as f64 / photons).collect();
        let y = Tensor::<1>::from_data(&counts[..], (&Device::flex(), DType::F64));
        let z: Vec<f64> = anscombe.stabilise(y).into_data().iter::<f64>().collect();
        let mut probability = (-photons).exp();
        let (mut mean, mut square) = (0.0, 0.0);
        for (k, z) in z.iter().enumerate() {
            mean += probability * z;
            square += probability * z * z;
            probability *= photons / (k + 1) as f64;
        }
        (anscombe, mean, (square - mean * mean).sqrt())
    }

    #[test]
    fn the_deviation_is_one_and_the_inverse_of_the_mean_the_image() {
        for (photons, spread, bias) in [(100.0, 1e-3, 1e-3), (10.0, 0.02, 2e-3), (4.0, 0.06, 0.01)]
        {
            let (anscombe, mean, deviation) = moments(photons);
            assert!((deviation - 1.0).abs() < spread, "{photons}: {deviation}");
            let z = Tensor::<1>::from_data([mean], (&Device::flex(), DType::F64));
            let found = anscombe.recover(z.clone()).into_scalar::<f64>();
            assert!((found - 1.0).abs() < bias, "{photons}: {found}");
            // The plain inverse is too low by about a quarter of a photon.
            let plain = (mean * mean / 4.0 - 0.375) / photons;
            assert!((plain - 1.0) * photons < -0.2, "{photons}: {plain}");
        }
        let none = Anscombe::of(PoissonNoise::new(1.0).expect("a gain"));
        let z = none.stabilise(Tensor::<1>::zeros([1], (&Device::flex(), DType::F64)));
        assert!(none.recover(z).into_scalar::<f64>() < 1e-12);
    }
}
