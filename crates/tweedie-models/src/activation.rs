//! The nonlinearities of published networks.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};
use tweedie_ops::silu;

/// A nonlinearity, applied elementwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// `x·sigmoid(x)`, also called swish.
    #[default]
    Silu,
    /// `x·Φ(x)`, where `Φ` is the standard normal distribution function.
    Gelu,
    /// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    GeluTanh,
    /// `x·tanh(ln(1 + eˣ))`.
    Mish,
    /// `max(0, x)`.
    Relu,
}

impl Activation {
    /// Applies the nonlinearity.
    #[must_use]
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Silu => silu(x),
            Self::Gelu => activation::gelu(x),
            Self::GeluTanh => {
                let cube = x.clone() * x.clone() * x.clone();
                let inner = (x.clone() + cube * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
                x * (inner.tanh() + 1.0) * 0.5
            }
            // tanh(ln(1 + w)) = n/(n + 2) with w = eˣ and n = w (w + 2). From x = 20 on, the ratio
            // rounds to 1 in f32 and f64.
            Self::Mish => {
                let w = x.clone().clamp_max(20.0).exp();
                let n = w.clone() * (w + 2.0);
                x * (n.clone() / (n + 2.0))
            }
            Self::Relu => activation::relu(x),
        }
    }
}
