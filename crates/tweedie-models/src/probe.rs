//! Looking at what happens inside a network.

use burn::tensor::Tensor;

/// Sees the outputs of a network's parts as they are made, by the names that published checkpoints
/// give them: `time_proj`, `time_embedding`, `conv_in`, `down_blocks.0`, `mid_block`, ….
pub trait Probe {
    /// One vector a sample, `[batch, features]`.
    fn vectors(&mut self, name: &str, x: &Tensor<2>) {
        let _ = (name, x);
    }

    /// A sequence of tokens, `[batch, tokens, features]`.
    fn tokens(&mut self, name: &str, x: &Tensor<3>) {
        let _ = (name, x);
    }

    /// A feature map, `[batch, channels, h, w]`.
    fn images(&mut self, name: &str, x: &Tensor<4>) {
        let _ = (name, x);
    }
}

/// Sees nothing.
impl Probe for () {}
