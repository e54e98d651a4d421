//! Observing the intermediate outputs of a network.

use burn::tensor::Tensor;

/// Receives the outputs of a network's parts during a forward pass.
///
/// The parts have the names of published checkpoints: `time_proj`, `time_embedding`, `conv_in`,
/// `down_blocks.0`, `mid_block`, ….
pub trait Probe {
    /// Receives one vector per sample, `[batch, features]`.
    fn vectors(&mut self, name: &str, x: &Tensor<2>) {
        let _ = (name, x);
    }

    /// Receives a sequence of tokens, `[batch, tokens, features]`.
    fn tokens(&mut self, name: &str, x: &Tensor<3>) {
        let _ = (name, x);
    }

    /// Receives a feature map, `[batch, channels, h, w]`.
    fn images(&mut self, name: &str, x: &Tensor<4>) {
        let _ = (name, x);
    }
}

/// Ignores all outputs.
impl Probe for () {}
