//! Priors that are known exactly: what samplers and posterior methods are measured against.
//!
//! All of them act on points `[batch, dim]` in any precision. Their laws at a level are those of
//! `x_t = α x₀ + σ ε`.

mod gaussian;
mod mixture;

pub use gaussian::Gaussian;
pub use mixture::GaussianMixture;

use burn::tensor::{Tensor, TensorData};
use nalgebra::{DMatrix, DVector};

/// An oracle that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
    /// A vector or matrix of the wrong size.
    #[error("{name} has size {found}, expected {expected}")]
    Size {
        /// What it is.
        name: &'static str,
        /// The size it should have.
        expected: usize,
        /// The size it has.
        found: usize,
    },
    /// A covariance with a negative variance, or an observation whose covariance is singular.
    #[error("{name} has to be {expected}, got {least}")]
    Definite {
        /// What it is.
        name: &'static str,
        /// `"positive semidefinite"`, for instance.
        expected: &'static str,
        /// Its least eigenvalue, or the value that is wrong.
        least: f64,
    },
    /// A value that is not finite.
    #[error("{name} has to be finite, got {value}")]
    Value {
        /// What it is.
        name: &'static str,
        /// The value.
        value: f64,
    },
    /// Weights that are negative, not finite, or sum to nothing.
    #[error("weights have to be finite, at least 0 and not all 0")]
    Weights,
}

/// A host vector as a row `[1, dim]` beside `like`.
fn row(values: &DVector<f64>, like: &Tensor<2>) -> Tensor<2> {
    let data = TensorData::new(values.as_slice().to_vec(), [1, values.len()]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

/// A host matrix beside `like`.
fn matrix(values: &DMatrix<f64>, like: &Tensor<2>) -> Tensor<2> {
    // nalgebra stores columns, burn rows.
    let data = TensorData::new(
        values.transpose().as_slice().to_vec(),
        [values.nrows(), values.ncols()],
    );
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

fn from_rows(
    name: &'static str,
    rows: &[Vec<f64>],
    columns: usize,
) -> Result<DMatrix<f64>, OracleError> {
    if let Some(wrong) = rows.iter().find(|row| row.len() != columns) {
        return Err(OracleError::Size {
            name,
            expected: columns,
            found: wrong.len(),
        });
    }
    Ok(DMatrix::from_fn(rows.len(), columns, |i, j| rows[i][j]))
}
