//! Latent diffusion: a denoiser of latents with an autoencoder of images.

use crate::Autoencoder;
use burn::tensor::Tensor;
use tweedie_core::{
    DenoiseError, Denoiser, Encoding, InputError, LatentGaussian, Noise, Posterior,
};
use tweedie_math::Level;

/// A denoiser of latents with its autoencoder.
///
/// This type is itself a denoiser of normalised latents: sample latents with it, then call
/// [`decode`](Self::decode).
///
/// # Reference
/// Rombach et al. 2022, arXiv:2112.10752.
#[derive(Clone, Debug)]
pub struct Latent<D> {
    autoencoder: Autoencoder,
    denoiser: D,
}

impl<D> Latent<D> {
    /// Creates a latent diffusion model from its parts.
    pub fn new(autoencoder: Autoencoder, denoiser: D) -> Self {
        Self {
            autoencoder,
            denoiser,
        }
    }

    /// The autoencoder.
    pub fn autoencoder(&self) -> &Autoencoder {
        &self.autoencoder
    }

    /// The denoiser of latents.
    pub fn denoiser(&self) -> &D {
        &self.denoiser
    }

    /// Encodes images in `[−1, 1]` as the mean of the encoder's Gaussian, normalised.
    pub fn encode(&self, images: Tensor<4>) -> Tensor<4> {
        self.autoencoder
            .normalise(self.autoencoder.encode(images).mean)
    }

    /// Encodes images in `[−1, 1]` as a sample from the encoder's Gaussian, normalised.
    pub fn encode_sample(&self, images: Tensor<4>, noise: &mut dyn Noise<4>) -> Tensor<4> {
        self.autoencoder
            .normalise(self.autoencoder.encode(images).sample(noise))
    }

    /// Decodes normalised latents to images.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        self.autoencoder
            .decode(self.autoencoder.denormalise(latents))
    }
}

impl<D: Denoiser<4>> Denoiser<4> for Latent<D> {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        self.denoiser.denoise(x, level)
    }

    fn estimate(&self, x: Tensor<4>, level: Level) -> Result<Posterior<4>, DenoiseError> {
        self.denoiser.estimate(x, level)
    }

    fn supports(&self, level: Level) -> bool {
        self.denoiser.supports(level)
    }

    fn accepts(&self, shape: [usize; 4]) -> Result<(), InputError> {
        self.denoiser.accepts(shape)
    }
}

/// The autoencoder with its normalisation: latents are those of the denoiser.
impl<D> Encoding<4> for Latent<D> {
    fn encode(&self, x: Tensor<4>) -> LatentGaussian<4> {
        let LatentGaussian { mean, log_variance } = self.autoencoder.encode(x);
        let scale = self.autoencoder.config().scale;
        LatentGaussian {
            mean: self.autoencoder.normalise(mean),
            log_variance: log_variance + 2.0 * scale.abs().ln(),
        }
    }

    fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        Self::decode(self, latents)
    }

    fn decoded_shape(&self, latents: [usize; 4]) -> Option<[usize; 4]> {
        self.autoencoder.decoded_shape(latents)
    }
}
