//! The decoder of an autoencoder as an operator, so that methods for nonlinear operators work in
//! latents.

use crate::operator::{Operator, OperatorError};
use burn::tensor::Tensor;
use tweedie_core::Encoding;

/// The map from latents to images. Put it before an operator of images:
/// `Decode::new(latent).then(blur)`.
///
/// Methods that take any differentiable operator, such as [`Dps`](super::Dps),
/// [`Daps`](super::Daps), [`FlowDps`](super::FlowDps), [`Sitcom`](super::Sitcom) and
/// [`Resample`](super::Resample), then sample latents with a latent diffusion model as the prior.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Encoding, LatentGaussian};
/// use tweedie_inverse::operator::{AveragePool, Operator};
/// use tweedie_inverse::posterior::Decode;
///
/// /// Latents of half the height and width, by means of 2×2 pixels.
/// #[derive(Clone)]
/// struct Means;
///
/// impl Encoding<4> for Means {
///     fn encode(&self, x: Tensor<4>) -> LatentGaussian<4> {
///         let [batch, channels, height, width] = x.dims();
///         let x = x.reshape([batch, channels, height / 2, 2, width / 2, 2]);
///         let mean = x.mean_dim(5).mean_dim(3).reshape([batch, channels, height / 2, width / 2]);
///         LatentGaussian { log_variance: mean.full_like(-30.0), mean }
///     }
///
///     fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
///         let [batch, channels, height, width] = latents.dims();
///         let x = latents.reshape([batch, channels, height, 1, width, 1]);
///         let x = x.expand([batch, channels, height, 2, width, 2]);
///         x.reshape([batch, channels, 2 * height, 2 * width])
///     }
///
///     fn decoded_shape(&self, [b, c, h, w]: [usize; 4]) -> Option<[usize; 4]> {
///         Some([b, c, 2 * h, 2 * w])
///     }
/// }
///
/// let operator = Decode::new(Means).then(AveragePool::new(4)?);
/// let z = Tensor::<4>::ones([1, 3, 8, 8], &Device::flex());
/// assert_eq!(operator.apply(z).dims(), [1, 3, 4, 4]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decode<E> {
    encoding: E,
}

impl<E> Decode<E> {
    /// Decodes with `encoding`.
    pub fn new(encoding: E) -> Self {
        Self { encoding }
    }
}

impl<const D: usize, E: Encoding<D>> Operator<D> for Decode<E> {
    fn output_shape(&self, signal: [usize; D]) -> Result<[usize; D], OperatorError> {
        let shape = self.encoding.decoded_shape(signal);
        shape.ok_or_else(|| OperatorError::Shape {
            operator: "decoder",
            found: signal.to_vec(),
            expected: "the shape of the autoencoder's latents".into(),
        })
    }

    fn apply_unchecked(&self, x: Tensor<D>) -> Tensor<D> {
        self.encoding.decode(x)
    }
}
