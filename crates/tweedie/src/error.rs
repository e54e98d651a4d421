use burn::tensor::DataError;
use tweedie_core::{ConditionError, DenoiseError, InputError, oracle::OracleError};
#[cfg(feature = "image")]
use tweedie_image::ImageError;
use tweedie_inverse::measurement::MeasurementError;
use tweedie_inverse::operator::OperatorError;
use tweedie_inverse::solver::SolveError;
use tweedie_math::{LevelError, MoveError, ParameterError, PathError, ScheduleError};
#[cfg(feature = "metrics")]
use tweedie_metrics::{LpipsError, calibration::CalibrationError};
#[cfg(feature = "models")]
use tweedie_models::{CheckpointError, NetworkError};
use tweedie_samplers::{AdaptiveError, AffineError, SampleError, StepError};
#[cfg(feature = "train")]
use tweedie_train::{RunError, TrainError};

/// Defines `Error`, with one variant and one `From` conversion for each listed error type.
macro_rules! any {
    ($($(#[$about:meta])* $variant:ident($type:ty),)*) => {
        /// Any error of this library, for an application that wants one error type.
        ///
        /// ```
        /// use tweedie::prelude::*;
        ///
        /// fn walk() -> Result<LevelPath, tweedie::Error> {
        ///     let chain = Chain::linear(1000, 1e-4, 0.02)?;
        ///     Ok(LevelPath::respaced(&chain, Spacing::Trailing, 2000)?)
        /// }
        /// assert!(matches!(walk(), Err(tweedie::Error::Path(_))));
        /// ```
        #[derive(Debug, thiserror::Error)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[$about])* #[error(transparent)] $variant(#[from] $type),)*
            /// A message of the application, converted from a string.
            #[error("{0}")]
            Other(String),
        }
    };
}

any! {
    /// A parameter outside its range.
    Parameter(ParameterError),
    /// Invalid numbers for a noise level.
    Level(LevelError),
    /// Invalid parameters of a schedule.
    Schedule(ScheduleError),
    /// Why a path is invalid.
    Path(PathError),
    /// A move for which a method has no coefficients.
    Move(MoveError),
    /// An input that a run rejects before its first evaluation.
    Input(InputError),
    /// A condition that a network does not accept.
    Condition(ConditionError),
    /// A denoiser that failed to give an estimate.
    Denoise(DenoiseError),
    /// Invalid parameters of an exact prior.
    Oracle(OracleError),
    /// A step that failed.
    Step(StepError),
    /// A run that failed.
    Sample(SampleError),
    /// An adaptive solver that failed.
    Adaptive(AdaptiveError),
    /// A chain whose exact law cannot be computed.
    Affine(AffineError),
    /// Invalid parameters of an operator or a noise model.
    Operator(OperatorError),
    /// A linear solve that failed.
    Solve(SolveError),
    /// A measurement that cannot be written or read.
    Measurement(MeasurementError),
    /// An invalid configuration of a network.
    #[cfg(feature = "models")]
    Network(NetworkError),
    /// A checkpoint that cannot be written or read.
    #[cfg(feature = "models")]
    Checkpoint(CheckpointError),
    /// A training run that cannot start or continue.
    #[cfg(feature = "train")]
    Train(TrainError),
    /// Files of a training run that cannot be written or read.
    #[cfg(feature = "train")]
    Run(RunError),
    /// An image that cannot be written or read.
    #[cfg(feature = "image")]
    Image(ImageError),
    /// Weights of LPIPS that cannot be read.
    #[cfg(feature = "metrics")]
    Lpips(LpipsError),
    /// A calibration that is refused.
    #[cfg(feature = "metrics")]
    Calibration(CalibrationError),
    /// Values of a tensor that cannot be read.
    Data(DataError),
    /// A file that cannot be written or read.
    File(std::io::Error),
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Self::Other(text.to_owned())
    }
}
