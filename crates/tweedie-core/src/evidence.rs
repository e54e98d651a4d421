//! The evidence lower bound of a variational autoencoder, in its two terms.
//!
//! `log p(x) = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) + KL(q(z|x) ‖ p(z|x))` with
//! `p(x|z) = N(D(z), s² I)` and `p(z) = N(0, I)`. The bound is the first two terms: reconstruction
//! minus divergence.
//!
//! # Reference
//! Kingma & Welling 2014, eq. 1 to 3, arXiv:1312.6114.

use crate::{Decoder, Encoding, InputError, LatentGaussian, accumulation_dtype, parameter_dtype};
use burn::module::Module;
use burn::tensor::Tensor;

/// The terms of the bound for each sample, in nats: `[batch]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Evidence {
    /// `log p(x|z)` at one draw of `z`.
    pub reconstruction: Tensor<1>,
    /// `KL(q(z|x) ‖ N(0, I))`.
    pub divergence: Tensor<1>,
}

impl Evidence {
    /// Computes the terms for samples `x`, with a decoder of standard deviation `std`.
    ///
    /// `noise` returns `ε` of the draw `z = μ + e^{v/2} ε`, in the shape of `μ`. The network runs
    /// in the precision of its parameters, the terms are computed in `f32` at least.
    ///
    /// # Errors
    /// [`InputError::Shape`] if the decoder's output does not have the shape of `x`.
    pub fn of<const D: usize>(
        model: &(impl Module + Encoding<D>),
        x: &Tensor<D>,
        std: f64,
        noise: impl FnOnce(&Tensor<D>) -> Tensor<D>,
    ) -> Result<Self, InputError> {
        let wide = |x: Tensor<D>| {
            let dtype = accumulation_dtype(x.dtype());
            x.cast(dtype)
        };
        let input = x.clone().cast(parameter_dtype(model).unwrap_or(x.dtype()));
        let latents = model.encode(input);
        let decoded = model.decode(latents.at(noise(&latents.mean)));
        if decoded.dims() != x.dims() {
            return Err(InputError::Shape {
                name: "the decoder's output",
                found: decoded.dims().to_vec(),
                expected: format!("that of the examples, {:?}", x.dims()),
            });
        }
        let latents = LatentGaussian {
            mean: wide(latents.mean),
            log_variance: wide(latents.log_variance),
        };
        let cost = Decoder::Density.cost(&wide(x.clone()), wide(decoded), std);
        Ok(Self {
            reconstruction: -cost,
            divergence: latents.kl(),
        })
    }

    /// The bound, at most `log p(x)` on average over the draws.
    #[must_use]
    pub fn bound(&self) -> Tensor<1> {
        self.reconstruction.clone() - self.divergence.clone()
    }
}
