//! Exact priors, as references for samplers and posterior methods.
//!
//! The oracles act on points `[batch, dim]` in any precision, [`FactorGaussian`] and
//! [`FactorMixture`] also on images.
//! The distribution at a level is that of `x_t = α x₀ + σ ε`.

mod components;
mod factor;
mod factor_mixture;
mod gaussian;
mod k_means;
mod mixture;
mod observed;

pub use components::PrincipalComponents;
pub use factor::FactorGaussian;
pub use factor_mixture::FactorMixture;
pub use gaussian::Gaussian;
pub use mixture::GaussianMixture;
pub use observed::Observed;

use burn::tensor::{Tensor, TensorData};
use nalgebra::{DMatrix, DVector};

/// Why an oracle is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
    /// A vector or matrix of the wrong size.
    #[error("{name} has size {found}, expected {expected}")]
    Size {
        /// The name of the argument.
        name: &'static str,
        /// The expected size.
        expected: usize,
        /// The actual size.
        found: usize,
    },
    /// A covariance with a negative variance, or an observation with a singular covariance.
    #[error("{name} has to be {expected}, got {least}")]
    Definite {
        /// The name of the matrix or argument.
        name: &'static str,
        /// The required property, for example `"positive semidefinite"`.
        expected: &'static str,
        /// The smallest eigenvalue, or the invalid value.
        least: f64,
    },
    /// A value that is not finite.
    #[error("{name} has to be finite, got {value}")]
    Value {
        /// The name of the argument.
        name: &'static str,
        /// The invalid value.
        value: f64,
    },
    /// A dimension that is given twice or does not exist.
    #[error("place {place} is repeated, or not below {dim}")]
    Place {
        /// The index of the dimension.
        place: usize,
        /// The number of dimensions.
        dim: usize,
    },
    /// Weights that are negative, not finite, or all 0.
    #[error("weights have to be finite, at least 0 and not all 0")]
    Weights,
}

/// `log Σ_k e^{v_k}` of each row: `[batch, components]` to `[batch]`.
fn log_sum(joint: Tensor<2>) -> Tensor<1> {
    let largest = joint.clone().max_dim(1);
    let sum = (joint - largest.clone()).exp().sum_dim(1).log() + largest;
    sum.squeeze_dim(1)
}

/// Copies a host vector to a row `[1, dim]` with the device and dtype of `like`.
fn row(values: &DVector<f64>, like: &Tensor<2>) -> Tensor<2> {
    let data = TensorData::new(values.as_slice().to_vec(), [1, values.len()]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

/// Copies a host matrix to a tensor with the device and dtype of `like`.
fn matrix(values: &DMatrix<f64>, like: &Tensor<2>) -> Tensor<2> {
    // nalgebra is column-major, burn is row-major.
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

fn check_size(name: &'static str, expected: usize, found: usize) -> Result<(), OracleError> {
    if expected == found {
        return Ok(());
    }
    Err(OracleError::Size {
        name,
        expected,
        found,
    })
}

fn check_value(name: &'static str, value: f64) -> Result<(), OracleError> {
    match value.is_finite() {
        true => Ok(()),
        false => Err(OracleError::Value { name, value }),
    }
}
