//! Application of a step's coefficients to tensors.

use crate::Noise;
use burn::tensor::Tensor;
use tweedie_math::{Move, Transition};

/// Applies a [`Transition`] to tensors: `state·x + clean·x̂₀ + noise·z`.
pub trait Advance {
    /// Returns the state after the move `mv`; draws noise only if the step adds any.
    fn advance<const D: usize>(
        self,
        mv: Move,
        x: Tensor<D>,
        clean: Tensor<D>,
        noise: &mut dyn Noise<D>,
    ) -> Tensor<D>;
}

impl Advance for Transition {
    fn advance<const D: usize>(
        self,
        mv: Move,
        x: Tensor<D>,
        clean: Tensor<D>,
        noise: &mut dyn Noise<D>,
    ) -> Tensor<D> {
        let mean = match (self.state, self.clean) {
            (state, 0.0) => x * state,
            (0.0, weight) => clean * weight,
            (state, weight) => x * state + clean * weight,
        };
        if self.noise == 0.0 {
            return mean;
        }
        let z = noise.increment(mv, &mean);
        mean + z * self.noise
    }
}
