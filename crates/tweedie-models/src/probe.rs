//! Observing the intermediate outputs of a network.

use crate::Conditions;
use burn::tensor::Tensor;
use tweedie_core::ConditionError;

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

/// A network on images whose intermediate outputs a probe can observe.
pub trait Probed {
    /// Evaluates the network and passes the outputs of its parts to `probe`.
    ///
    /// `x` holds images, `[batch, channels, h, w]`; `time`, `[batch]`, encodes their noise levels.
    fn forward_probed(
        &self,
        x: Tensor<4>,
        time: Tensor<1>,
        conditions: &Conditions,
        probe: &mut dyn Probe,
    ) -> Tensor<4>;

    /// Checks conditions for images of `channels`.
    ///
    /// # Errors
    /// [`ConditionError`] for a condition that the network does not take, or that is missing.
    fn check_condition(
        &self,
        channels: usize,
        conditions: &Conditions,
    ) -> Result<(), ConditionError>;

    /// Checks that the network takes images of this height and width.
    ///
    /// # Errors
    /// [`ConditionError`] for a size that is too small or no multiple of the network's patches.
    fn check_size(&self, size: [usize; 2]) -> Result<(), ConditionError>;
}

/// Implements `Network`, with and without conditions, for a `Probed` network.
macro_rules! probed {
    ($network:ty) => {
        impl tweedie_core::Network<4, crate::Conditions> for $network {
            fn forward(
                &self,
                x: burn::tensor::Tensor<4>,
                time: burn::tensor::Tensor<1>,
                conditions: &crate::Conditions,
            ) -> burn::tensor::Tensor<4> {
                crate::Probed::forward_probed(self, x, time, conditions, &mut ())
            }

            fn accepts(
                &self,
                [_, channels, height, width]: [usize; 4],
                conditions: &crate::Conditions,
            ) -> Result<(), tweedie_core::ConditionError> {
                crate::Probed::check_size(self, [height, width])?;
                crate::Probed::check_condition(self, channels, conditions)
            }
        }

        impl tweedie_core::Network<4> for $network {
            fn forward(
                &self,
                x: burn::tensor::Tensor<4>,
                time: burn::tensor::Tensor<1>,
                (): &(),
            ) -> burn::tensor::Tensor<4> {
                let none = crate::Conditions::none();
                crate::Probed::forward_probed(self, x, time, &none, &mut ())
            }

            fn accepts(
                &self,
                [_, channels, height, width]: [usize; 4],
                (): &(),
            ) -> Result<(), tweedie_core::ConditionError> {
                crate::Probed::check_size(self, [height, width])?;
                crate::Probed::check_condition(self, channels, &crate::Conditions::none())
            }
        }
    };
}

pub(crate) use probed;
