//! A type-erased step, for programs that choose the method at run time.

use crate::{State, Step, StepContext, StepError};
use burn::tensor::{Device, Tensor};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use tweedie_core::{InputError, Noise};
use tweedie_math::{Level, Move};

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
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut AnyMemory,
    ) -> Result<State<D>, StepError>;
    fn check_any(&self, mv: Move) -> Result<(), StepError>;
    fn check_forward_any(&self, mv: Move) -> Result<(), StepError>;
    fn accepts_any(&self, shape: [usize; D]) -> Result<(), InputError>;
    fn start_any(
        &self,
        shape: [usize; D],
        level: Level,
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError>;
}

impl<const D: usize, S: Step<D, Memory: 'static> + Send + Sync> Erased<D> for S {
    fn step_any(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut AnyMemory,
    ) -> Result<State<D>, StepError> {
        let memory = memory.get_or_insert_with(|| Box::new(S::Memory::default()));
        if !memory.is::<S::Memory>() {
            // The memory of another step: start with an empty one.
            *memory = Box::new(S::Memory::default());
        }
        match memory.downcast_mut::<S::Memory>() {
            Some(memory) => self.step(x, mv, context, memory),
            None => unreachable!("it was made of this type"),
        }
    }

    fn check_any(&self, mv: Move) -> Result<(), StepError> {
        self.check(mv)
    }

    fn check_forward_any(&self, mv: Move) -> Result<(), StepError> {
        self.check_forward(mv)
    }

    fn accepts_any(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.accepts(shape)
    }

    fn start_any(
        &self,
        shape: [usize; D],
        level: Level,
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError> {
        self.start(shape, level, device, noise)
    }
}

impl<const D: usize> Step<D> for AnyStep<D> {
    type Memory = AnyMemory;

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        memory: &mut AnyMemory,
    ) -> Result<State<D>, StepError> {
        self.0.step_any(x, mv, context, memory)
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        self.0.check_any(mv)
    }

    fn check_forward(&self, mv: Move) -> Result<(), StepError> {
        self.0.check_forward_any(mv)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.0.accepts_any(shape)
    }

    fn start(
        &self,
        shape: [usize; D],
        level: Level,
        device: &Device,
        noise: &mut dyn Noise<D>,
    ) -> Result<Tensor<D>, StepError> {
        self.0.start_any(shape, level, device, noise)
    }
}
