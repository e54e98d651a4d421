//! Any step behind one type, for programs that choose at run time.

use crate::{State, Step};
use burn::tensor::Tensor;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tweedie_core::{Denoiser, InputError, Noise};
use tweedie_math::Move;

/// A step whose type is not known at compile time.
///
/// ```
/// use tweedie_math::{Ancestral, Ddim};
/// use tweedie_samplers::{AnyStep, RungeKutta};
///
/// let choice = "heun";
/// let step: AnyStep<4> = match choice {
///     "ddpm" => AnyStep::new(Ancestral::default()),
///     "heun" => AnyStep::new(RungeKutta::heun()),
///     _ => AnyStep::new(Ddim::deterministic()),
/// };
/// ```
#[derive(Clone)]
pub struct AnyStep<const D: usize>(Arc<dyn Erased<D>>);

impl<const D: usize> AnyStep<D> {
    /// Hides the type of `step`.
    pub fn new<S: Step<D, Memory: 'static> + Send + Sync + 'static>(step: S) -> Self {
        Self(Arc::new(step))
    }
}

impl<const D: usize> fmt::Debug for AnyStep<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyStep").finish_non_exhaustive()
    }
}

type AnyMemory = Option<Box<dyn Any>>;

trait Erased<const D: usize>: Send + Sync {
    fn step_any(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        memory: &mut AnyMemory,
    ) -> State<D>;
    fn supports_any(&self, mv: Move) -> bool;
    fn accepts_any(&self, shape: [usize; D]) -> Result<(), InputError>;
    fn order_any(&self) -> usize;
}

impl<const D: usize, S: Step<D, Memory: 'static> + Send + Sync> Erased<D> for S {
    fn step_any(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        memory: &mut AnyMemory,
    ) -> State<D> {
        let memory = memory.get_or_insert_with(|| Box::new(S::Memory::default()));
        match memory.downcast_mut::<S::Memory>() {
            Some(memory) => self.step(denoiser, x, mv, noise, memory),
            // Memory of another step: begin anew.
            None => {
                let mut fresh = S::Memory::default();
                let state = self.step(denoiser, x, mv, noise, &mut fresh);
                *memory = Box::new(fresh);
                state
            }
        }
    }

    fn supports_any(&self, mv: Move) -> bool {
        self.supports(mv)
    }

    fn accepts_any(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.accepts(shape)
    }

    fn order_any(&self) -> usize {
        self.order()
    }
}

impl<const D: usize> Step<D> for AnyStep<D> {
    type Memory = AnyMemory;

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        noise: &mut dyn Noise<D>,
        memory: &mut AnyMemory,
    ) -> State<D> {
        self.0.step_any(denoiser, x, mv, noise, memory)
    }

    fn supports(&self, mv: Move) -> bool {
        self.0.supports_any(mv)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.0.accepts_any(shape)
    }

    fn order(&self) -> usize {
        self.0.order_any()
    }
}
