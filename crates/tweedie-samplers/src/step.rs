//! One way to move a chain.

use burn::tensor::Tensor;
use tweedie_core::{Denoiser, Noise};
use tweedie_math::{Level, Move};

/// Where a chain stands after a move.
#[derive(Clone, Debug)]
pub struct State<const D: usize> {
    /// The level reached.
    pub level: Level,
    /// The state at that level.
    pub x: Tensor<D>,
    /// The clean estimate that the move was based on; none after a forward move.
    pub clean: Option<Tensor<D>>,
}

/// One way to move a chain down in noise.
///
/// A step is a value and is shared between runs; what a method remembers between moves is its
/// `Memory`, which a run owns.
pub trait Step<const D: usize> {
    /// What the method remembers between moves: `()` for one-step methods.
    type Memory: Default;

    /// The state after `mv`, from the state `x` at `mv.from`.
    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        memory: &mut Self::Memory,
    ) -> State<D>;

    /// Whether the move can be made. A sampler asks this of its whole path before it starts.
    fn supports(&self, mv: Move) -> bool {
        let _ = mv;
        true
    }
}
