//! Gaussians over latents, and the networks that encode and decode them.
//!
//! # Reference
//! Kingma & Welling 2014, "Auto-Encoding Variational Bayes", appendix B, arXiv:1312.6114.

use crate::{Noise, per_sample_sum};
use burn::tensor::Tensor;
use std::f64::consts::TAU;
use std::sync::Arc;

/// The Gaussian over latents that an encoder returns for each sample.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::LatentGaussian;
///
/// let mean = Tensor::<2>::ones([3, 4], &Device::flex());
/// let log_variance = mean.zeros_like();
/// // A shift by 1 costs ½ in each dimension.
/// let kl = LatentGaussian { mean, log_variance }.kl();
/// assert_eq!(kl.into_data().try_into_vec::<f32>()?, [2.0, 2.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LatentGaussian<const D: usize> {
    /// The mean, `[batch, …]`.
    pub mean: Tensor<D>,
    /// The log-variance of each value.
    pub log_variance: Tensor<D>,
}

impl<const D: usize> LatentGaussian<D> {
    /// Draws a sample, `μ + e^{v/2} z` with `z ~ N(0, I)`.
    pub fn sample(&self, noise: &mut dyn Noise<D>) -> Tensor<D> {
        self.at(noise.normal_like(&self.mean))
    }

    /// The sample `μ + e^{v/2} z` of the noise `z`.
    #[must_use]
    pub fn at(&self, noise: Tensor<D>) -> Tensor<D> {
        self.mean.clone() + (self.log_variance.clone() * 0.5).exp() * noise
    }

    /// The log-density of `z` for each sample, `[batch]`, in nats.
    ///
    /// `−½ Σ ((z − μ)² e^{−v} + v + ln 2π)`
    ///
    /// # Panics
    /// If the shape of `z` is not that of the mean.
    #[must_use]
    pub fn log_density(&self, z: Tensor<D>) -> Tensor<1> {
        assert_eq!(z.dims(), self.mean.dims(), "shapes of z and of the mean");
        let v = self.log_variance.clone();
        let squares = (z - self.mean.clone()).square() * (-v.clone()).exp();
        per_sample_sum(squares + v + TAU.ln()) * -0.5
    }

    /// The KL divergence of each sample from the standard Gaussian, `[batch]`, in nats.
    ///
    /// `½ Σ (μ² + e^v − 1 − v)`
    #[must_use]
    pub fn kl(&self) -> Tensor<1> {
        let v = self.log_variance.clone();
        per_sample_sum(self.mean.clone().square() + v.clone().exp() - 1.0 - v) * 0.5
    }
}

/// A variational autoencoder: an encoder to Gaussians over latents, and a decoder.
pub trait Encoding<const D: usize> {
    /// Encodes samples `[batch, …]` as Gaussians over latents.
    fn encode(&self, x: Tensor<D>) -> LatentGaussian<D>;

    /// Decodes latents to samples.
    fn decode(&self, latents: Tensor<D>) -> Tensor<D>;

    /// The shape of the samples of latents of shape `latents`; `None` if there are no such latents.
    fn decoded_shape(&self, latents: [usize; D]) -> Option<[usize; D]>;
}

impl<const D: usize, E: Encoding<D> + ?Sized> Encoding<D> for Arc<E> {
    fn encode(&self, x: Tensor<D>) -> LatentGaussian<D> {
        (**self).encode(x)
    }
    fn decode(&self, latents: Tensor<D>) -> Tensor<D> {
        (**self).decode(latents)
    }
    fn decoded_shape(&self, latents: [usize; D]) -> Option<[usize; D]> {
        (**self).decoded_shape(latents)
    }
}
