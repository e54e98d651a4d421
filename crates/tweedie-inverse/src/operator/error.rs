//! Errors of operators, noise models and their inputs.

use super::Padding;
use tweedie_math::ParameterError;

/// Why an operator, a noise model or an input is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// A box that extends beyond its image.
    #[error(
        "a box of {}×{} pixels at ({}, {}) does not lie within {}×{} pixels",
        extent[0], extent[1], corner[0], corner[1], size[0], size[1]
    )]
    Box {
        /// Height and width of the image.
        size: [usize; 2],
        /// The box's upper row and left column.
        corner: [usize; 2],
        /// The box's height and width.
        extent: [usize; 2],
    },
    /// A tensor of a shape that the operator does not take.
    #[error("{operator}: a tensor of shape {found:?}, expected {expected}")]
    Shape {
        /// The operator.
        operator: &'static str,
        /// The shape that was given.
        found: Vec<usize>,
        /// The shape that the operator takes.
        expected: String,
    },
    /// A padding that an operator does not support.
    #[error("{operator} does not support the padding {found:?}")]
    Edge {
        /// The operator.
        operator: &'static str,
        /// The padding that was given.
        found: Padding,
    },
    /// A parameter outside its range.
    #[error("the {0}")]
    Parameter(#[from] ParameterError),
    /// A wrong number of values.
    #[error("{values} has {found} values, expected {expected}")]
    Length {
        /// What the values are.
        values: &'static str,
        /// The number of values that were given.
        found: usize,
        /// The number that is needed.
        expected: usize,
    },
    /// An adjoint that is not the transpose of the forward map.
    #[error(
        "the operator's adjoint is not the transpose of its forward map: ⟨A x, y⟩ and ⟨x, Aᵀ y⟩ differ by \
         {gap:.1e} of ‖A x‖ ‖y‖ + ‖x‖ ‖Aᵀ y‖"
    )]
    Adjoint {
        /// `|⟨A x, y⟩ − ⟨x, Aᵀ y⟩|`, relative to `‖A x‖ ‖y‖ + ‖x‖ ‖Aᵀ y‖`.
        gap: f64,
    },
    /// A value that a noise model does not take.
    #[error("{noise} takes values {expected}, got {value}")]
    Value {
        /// The noise model.
        noise: &'static str,
        /// The worst value.
        value: f64,
        /// The values that it takes.
        expected: &'static str,
    },
}

impl From<OperatorError> for tweedie_core::InputError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Shape {
                operator,
                found,
                expected,
            } => Self::Shape {
                name: operator,
                found,
                expected,
            },
            OperatorError::Parameter(error) => error.into(),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// Deserialises a type through its constructor, so that values from a file are checked too.
macro_rules! checked {
    ($type:ident { $($field:ident: $kind:ty),* } by $constructor:path) => {
        #[derive(serde::Deserialize)]
        struct Raw {
            $($field: $kind,)*
        }

        impl TryFrom<Raw> for $type {
            type Error = $crate::operator::OperatorError;

            fn try_from(raw: Raw) -> Result<Self, $crate::operator::OperatorError> {
                $constructor($(raw.$field),*)
            }
        }
    };
}
pub(crate) use checked;

/// `Ok` if `holds`, else [`OperatorError::Parameter`].
pub(crate) fn require(
    parameter: &'static str,
    value: f64,
    expected: &'static str,
    holds: bool,
) -> Result<(), OperatorError> {
    ParameterError::require(holds, parameter, expected, value)?;
    Ok(())
}

/// `Ok` if an array is not empty and all values are finite.
pub(crate) fn finite<const D: usize>(
    parameter: &'static str,
    array: &tweedie_ops::Constant<D>,
) -> Result<(), OperatorError> {
    if array.values().is_empty() {
        return Err(OperatorError::Length {
            values: parameter,
            found: 0,
            expected: 1,
        });
    }
    let wrong = array.values().iter().find(|value| !value.is_finite());
    wrong.map_or(Ok(()), |&value| require(parameter, value, "finite", false))
}

/// Builds a matrix from rows of equal length.
pub(crate) fn matrix(
    row: &'static str,
    rows: &[Vec<f64>],
) -> Result<tweedie_ops::Constant<2>, OperatorError> {
    let expected = rows.first().map_or(0, Vec::len);
    if let Some(other) = rows.iter().find(|other| other.len() != expected) {
        return Err(OperatorError::Length {
            values: row,
            found: other.len(),
            expected,
        });
    }
    Ok(tweedie_ops::Constant::new(
        rows.concat(),
        [rows.len(), expected],
    ))
}

/// The number of pixels of an image; an error unless it is from 1 to 2²⁶.
pub(crate) fn pixels([h, w]: [usize; 2]) -> Result<usize, OperatorError> {
    let count = h
        .checked_mul(w)
        .filter(|count| (1..=1 << 26).contains(count));
    let message = "from 1 to 2²⁶";
    require(
        "number of pixels",
        h as f64 * w as f64,
        message,
        count.is_some(),
    )?;
    Ok(h * w)
}

/// The number of voxels of a volume of a legal size.
pub(crate) fn voxels([d, h, w]: [usize; 3]) -> Result<usize, OperatorError> {
    let count = d.checked_mul(h).and_then(|plane| plane.checked_mul(w));
    let legal = count.filter(|count| (1..=1 << 24).contains(count));
    let found = d as f64 * h as f64 * w as f64;
    require("number of voxels", found, "from 1 to 2²⁴", legal.is_some())?;
    Ok(d * h * w)
}

/// `Ok` if a shape `fits`, else an error with the expected shape.
pub(crate) fn fits(
    operator: &'static str,
    found: &[usize],
    fits: bool,
    expected: impl FnOnce() -> String,
) -> Result<(), OperatorError> {
    match fits {
        true => Ok(()),
        false => Err(OperatorError::Shape {
            operator,
            found: found.to_vec(),
            expected: expected(),
        }),
    }
}

/// Maps the shape of images of size `from` to size `to`, for any batch and channels.
pub(crate) fn sized(
    operator: &'static str,
    found: [usize; 4],
    from: [usize; 2],
    to: [usize; 2],
) -> Result<[usize; 4], OperatorError> {
    fits(operator, &found, found[2..] == from, || {
        format!("[batch, channels, {}, {}]", from[0], from[1])
    })?;
    Ok([found[0], found[1], to[0], to[1]])
}

/// Maps the shape of samples of shape `from` to shape `to`, for any batch.
pub(crate) fn sample(
    operator: &'static str,
    found: [usize; 4],
    from: [usize; 3],
    to: [usize; 3],
) -> Result<[usize; 4], OperatorError> {
    fits(operator, &found, found[1..] == from, || {
        format!("[batch, {}, {}, {}]", from[0], from[1], from[2])
    })?;
    Ok([found[0], to[0], to[1], to[2]])
}
