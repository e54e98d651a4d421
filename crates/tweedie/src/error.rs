use burn::tensor::DataError;
use tweedie_core::{ConditionError, DenoiseError, InputError, oracle::OracleError};
#[cfg(feature = "image")]
use tweedie_image::ImageError;
use tweedie_inverse::measurement::MeasurementError;
use tweedie_inverse::operator::OperatorError;
use tweedie_inverse::solver::SolveError;
use tweedie_math::{LevelError, MoveError, ParameterError, PathError, ScheduleError};
#[cfg(feature = "metrics")]
use tweedie_metrics::LpipsError;
#[cfg(feature = "models")]
use tweedie_models::{CheckpointError, NetworkError};
use tweedie_samplers::{AdaptiveError, AffineError, SampleError, StepError};
#[cfg(feature = "train")]
use tweedie_train::{RunError, TrainError};

/// An enum of errors with conversions from each; the text is theirs.
macro_rules! any {
    ($($(#[$about:meta])* $variant:ident($type:ty),)*) => {
        /// Any error of this library, so that an application names one type.
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
            /// What an application says itself; made from a text.
            #[error("{0}")]
            Other(String),
        }
    };
}

any! {
    /// A parameter outside its range.
    Parameter(ParameterError),
    /// A level that cannot be.
    Level(LevelError),
    /// A schedule that cannot be.
    Schedule(ScheduleError),
    /// A path that cannot be.
    Path(PathError),
    /// A move for which a method has no coefficients.
    Move(MoveError),
    /// An input that a run cannot begin with.
    Input(InputError),
    /// A condition that a network does not take.
    Condition(ConditionError),
    /// A denoiser without an estimate.
    Denoise(DenoiseError),
    /// An exact prior that cannot be.
    Oracle(OracleError),
    /// A step that failed.
    Step(StepError),
    /// A run that failed.
    Sample(SampleError),
    /// An adaptive solver that failed.
    Adaptive(AdaptiveError),
    /// A chain whose exact law is not known.
    Affine(AffineError),
    /// An operator that cannot be.
    Operator(OperatorError),
    /// An equation that was not solved.
    Solve(SolveError),
    /// A measurement that cannot be written or read.
    Measurement(MeasurementError),
    /// A configuration that no network can have.
    #[cfg(feature = "models")]
    Network(NetworkError),
    /// A checkpoint that cannot be written or read.
    #[cfg(feature = "models")]
    Checkpoint(CheckpointError),
    /// A training that cannot begin or go on.
    #[cfg(feature = "train")]
    Train(TrainError),
    /// The files of a training that cannot be written or read.
    #[cfg(feature = "train")]
    Run(RunError),
    /// An image that cannot be written or read.
    #[cfg(feature = "image")]
    Image(ImageError),
    /// Weights of LPIPS that cannot be read.
    #[cfg(feature = "metrics")]
    Lpips(LpipsError),
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
