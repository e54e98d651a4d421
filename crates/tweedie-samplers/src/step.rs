//! One way to move a chain.

use burn::tensor::Tensor;
use tweedie_core::{Denoiser, InputError, Noise};
use tweedie_math::{Level, Move};

/// Where a chain stands after a move.
#[derive(Clone, Debug)]
pub struct State<const D: usize> {
    /// The level reached.
    pub level: Level,
    /// The state at that level.
    pub x: Tensor<D>,
    /// The clean estimate that the move was based on; none after a move that only added noise.
    pub clean: Option<Tensor<D>>,
    /// How often the denoiser has been asked since the run began; 0 from a bare step.
    pub evaluations: usize,
}

impl<const D: usize> State<D> {
    /// The state `x` at `level`, which followed from the estimate `clean`.
    #[must_use]
    pub fn new(level: Level, x: Tensor<D>, clean: Option<Tensor<D>>) -> Self {
        Self {
            level,
            x,
            clean,
            evaluations: 0,
        }
    }
}

/// One way to move a chain between two levels of noise.
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

    /// Whether it moves states of a shape, and its parameters are in their ranges. A sampler asks
    /// this before it starts.
    ///
    /// # Errors
    /// [`InputError`] says what does not fit.
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        let _ = shape;
        Ok(())
    }

    /// The power of the step length with which the error falls: of the state for a deterministic
    /// step, of mean and covariance (the weak order) for one that adds noise.
    fn order(&self) -> usize {
        1
    }
}
