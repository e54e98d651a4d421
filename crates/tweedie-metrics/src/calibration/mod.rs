//! Whether an uncertainty can be relied on.
//!
//! | question | answer | file |
//! |---|---|---|
//! | Do the intervals of posterior draws hold the truth as often as they say? | [`coverage`] | `coverage.rs` |
//! | Are the draws from the posterior? | [`RankHistogram`], simulation-based calibration | `ranks.rs` |
//! | Which intervals hold whatever the method? | [`Conformal`] | `conformal.rs` |
//! | Is a measurement one that the prior can explain? | [`surprise`] | `surprise.rs` |
//!
//! Draws of several measurements are in one batch, those of one measurement in a row: with `n`
//! truths and `n m` draws, the draws `i m … (i + 1) m − 1` belong to the truth `i`.

mod conformal;
mod coverage;
mod ranks;
mod surprise;

pub use conformal::Conformal;
pub use coverage::{Coverage, coverage};
pub use ranks::{RankHistogram, ranks};
pub use surprise::surprise;

use burn::tensor::Tensor;
use tweedie_math::ParameterError;

/// Why a calibration is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// A parameter outside its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// Too few draws or examples for the level.
    #[error("{found} {what} are too few for this level, at least {needed} are needed")]
    TooFew {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Shapes that do not belong together.
    #[error("{name} has the shape {found:?}, expected {expected}")]
    Shape {
        /// The name of the tensor.
        name: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// What was expected.
        expected: String,
    },
    /// A value that is not finite, or a spread below 0.
    #[error("{0} has a value that is not allowed: NaN, infinite, or a spread below 0")]
    Value(&'static str),
}

/// A fraction strictly between 0 and 1.
fn fraction(name: &'static str, value: f64) -> Result<f64, ParameterError> {
    ParameterError::require(value > 0.0 && value < 1.0, name, "between 0 and 1", value)?;
    Ok(value)
}

/// The number of draws for each truth.
fn draws_each<const D: usize>(
    draws: &Tensor<D>,
    truth: &Tensor<D>,
) -> Result<usize, CalibrationError> {
    let (all, shape) = (draws.dims(), truth.dims());
    let values: usize = shape[1..].iter().product();
    let some = shape[0] > 0 && all[0] > 0 && values > 0;
    let fits = some && all[0].is_multiple_of(shape[0]) && all[1..] == shape[1..];
    if !fits {
        return Err(CalibrationError::Shape {
            name: "the batch of draws",
            found: all.to_vec(),
            expected: format!("a multiple of the truths' batch in {shape:?}, with values"),
        });
    }
    Ok(all[0] / shape[0])
}

/// The values of a tensor, all finite.
fn finite<const D: usize>(name: &'static str, x: &Tensor<D>) -> Result<Vec<f64>, CalibrationError> {
    let values: Vec<f64> = x.to_data().iter::<f64>().collect();
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err(CalibrationError::Value(name)),
    }
}
