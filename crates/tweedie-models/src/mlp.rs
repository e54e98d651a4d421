//! A multilayer perceptron for points in a few dimensions.
//!
//! `h ← h + W_k silu(V_k h + U_k γ(c))` for each layer. A linear map precedes the layers; SiLU and
//! another linear map follow them. `γ` is a [`TimeEmbedding`] followed by SiLU.

use crate::unet::counted;
use crate::{Activation, NetworkError, TimeEmbedding, TimeEncoding};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::silu};
use tweedie_core::Network;
use tweedie_math::ParameterError;

/// Configuration of an [`Mlp`].
#[derive(Config, Debug)]
#[non_exhaustive]
pub struct MlpConfig {
    /// Dimension of the points.
    pub dim: usize,
    /// Width of the hidden layers.
    #[config(default = 128)]
    pub width: usize,
    /// Number of residual layers.
    #[config(default = 3)]
    pub depth: usize,
    /// Factor of the time input before the sinusoids, which suit values up to 1000.
    #[config(default = 1.0)]
    pub time_scale: f64,
}

/// A residual multilayer perceptron.
#[derive(Module, Debug)]
pub struct Mlp {
    time: TimeEmbedding,
    input: Linear,
    layers: Vec<MlpLayer>,
    output: Linear,
}

#[derive(Module, Debug)]
struct MlpLayer {
    hidden: Linear,
    time: Linear,
    back: Linear,
}

impl MlpConfig {
    /// Initialises the network on `device`.
    ///
    /// # Errors
    /// [`NetworkError`] for a dimension or width of 0 or above 65,536, for more than 65,535 layers,
    /// or for a factor that is not finite.
    pub fn init(&self, device: &Device) -> Result<Mlp, NetworkError> {
        let depth = self.depth.saturating_add(1);
        counted(&[("dim", self.dim), ("width", self.width), ("depth", depth)])?;
        if !self.time_scale.is_finite() {
            return Err(ParameterError {
                name: "time_scale",
                expected: "finite",
                value: self.time_scale,
            }
            .into());
        }
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let waves = TimeEncoding::Sinusoidal {
            width: 2 * (self.width / 2).max(1),
            cosine_first: false,
            shift: 1.0,
        };
        let (width, scale, silu) = (self.width, self.time_scale, Activation::Silu);
        Ok(Mlp {
            time: TimeEmbedding::new(waves, width, scale, silu, device),
            input: linear(self.dim, self.width),
            layers: (0..self.depth)
                .map(|_| MlpLayer {
                    hidden: linear(self.width, self.width),
                    time: linear(self.width, self.width),
                    back: linear(self.width, self.width),
                })
                .collect(),
            output: LinearConfig::new(self.width, self.dim)
                .with_initializer(Initializer::Zeros)
                .init(device),
        })
    }
}

impl Network<2> for Mlp {
    fn forward(&self, x: Tensor<2>, time: Tensor<1>, (): &()) -> Tensor<2> {
        let time = silu(self.time.forward(time));
        let mut h = self.input.forward(x);
        for layer in &self.layers {
            let inner = layer.hidden.forward(h.clone()) + layer.time.forward(time.clone());
            h = h + layer.back.forward(silu(inner));
        }
        self.output.forward(silu(h))
    }
}
