//! Why a run cannot begin or continue.

use crate::{ExampleError, GroupError, MixedPrecision, RunError};
use tweedie_core::InputError;
use tweedie_math::ParameterError;

/// Why a run cannot begin or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// No examples.
    #[error("no training examples")]
    NoExamples,
    /// Examples that could not be read.
    #[error("the examples could not be read: {0}")]
    Data(#[source] ExampleError),
    /// Another process of the run that could not be reached.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// The loss or the gradient norm was not finite for too many steps in a row.
    #[error(
        "the loss became {loss} and the gradient norm {gradient_norm} at step {step}: lower the \
         learning rate (now {learning_rate:e}), or look for conditions that are not finite"
    )]
    Diverged {
        /// The step.
        step: usize,
        /// Its loss.
        loss: f64,
        /// Its gradient norm.
        gradient_norm: f64,
        /// Its learning rate.
        learning_rate: f64,
    },
    /// The number of examples has changed since the run began.
    #[error("the run began with {expected} examples, got {found}")]
    Examples {
        /// The number of examples when the run began.
        expected: usize,
        /// The number of examples now.
        found: usize,
    },
    /// An example contains NaN or an infinity.
    #[error("example {index} holds a value that is not finite")]
    Example {
        /// The index of the example, from 0.
        index: usize,
    },
    /// The examples, the noise or the network's output have the wrong shape.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A parameter of the objective or the prediction is outside its range.
    #[error(transparent)]
    Objective(#[from] tweedie_math::ScheduleError),
    /// The prediction does not determine the clean signal at a time that the objective draws.
    #[error(
        "the prediction does not determine x₀ at time {time}, which the objective can draw: \
         narrow the range of times, or predict the velocity"
    )]
    Undetermined {
        /// The time.
        time: f64,
    },
    /// The device lacks the asked half precision.
    #[error("{device} has no {precision:?}: train without mixed precision")]
    NoHalfPrecision {
        /// The precision.
        precision: MixedPrecision,
        /// The device.
        device: String,
    },
    /// Half precision gives another loss or gradient than full precision.
    #[error(
        "in {precision:?}, the loss of the first examples is {loss} instead of {expected}, and the \
         cosine between the gradients is {cosine}: train without mixed precision"
    )]
    HalfPrecision {
        /// The precision.
        precision: MixedPrecision,
        /// The mean loss of the first two examples.
        loss: f64,
        /// The mean loss in full precision.
        expected: f64,
        /// The cosine of the angle between both gradients.
        cosine: f64,
    },
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Run(#[from] RunError),
}
