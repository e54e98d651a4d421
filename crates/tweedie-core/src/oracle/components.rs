//! Principal components: the eigenvectors of a sample covariance with the largest eigenvalues.
//!
//! `Σ̂ = 1/(n−1) Σᵢ (xᵢ − x̄)(xᵢ − x̄)ᵀ = E Λ Eᵀ` has rank `n − 1` at most. If there are fewer
//! samples than dimensions, the eigenvectors are found from those of the `n×n` Gram matrix.
//!
//! # Reference
//! Turk & Pentland 1991, "Eigenfaces for recognition" (Gram matrix); Tipping & Bishop 1999,
//! "Probabilistic principal component analysis", eq. 7 and 8.

use super::{FactorGaussian, OracleError, check_value};
use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// The mean of samples and the directions in which they vary most.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::oracle::PrincipalComponents;
///
/// let points = [[1.0, 2.0, 0.0], [-1.0, -2.0, 0.1], [2.0, 4.0, 0.0], [-2.0, -4.0, -0.1]];
/// let points = Tensor::<2>::from_floats(points, &Device::flex());
/// let components = PrincipalComponents::fit(&points, 1)?;
/// let [axis] = components.axes() else { panic!("one axis") };
/// assert!((axis[1] / axis[0] - 2.0).abs() < 1e-2);
/// # Ok::<(), tweedie_core::oracle::OracleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PrincipalComponents {
    mean: Vec<f64>,
    variances: Vec<f64>,
    axes: Vec<Vec<f64>>,
    rest: f64,
}

impl PrincipalComponents {
    /// Finds the first `count` components of samples `[n, …]`, each as one vector.
    ///
    /// # Errors
    /// [`OracleError::Size`] for fewer than two samples, or unless `count` is at most `n − 1` and
    /// at most the number of dimensions, and with fewer samples than dimensions at most the rank;
    /// [`OracleError::Value`] if a value is not finite.
    pub fn fit<const D: usize>(samples: &Tensor<D>, count: usize) -> Result<Self, OracleError> {
        let (mean, centred) = centred(samples)?;
        let [n, dim] = [centred.nrows(), centred.ncols()];
        let most = (n - 1).min(dim);
        if count > most {
            return Err(OracleError::Size {
                name: "the set of components",
                expected: most,
                found: count,
            });
        }
        let freedom = (n - 1) as f64;
        let total = centred.iter().map(|value| value * value).sum::<f64>() / freedom;
        let has_few = n < dim;
        let matrix = match has_few {
            true => &centred * centred.transpose(),
            false => centred.transpose() * &centred,
        };
        let eigen = SymmetricEigen::new(matrix / freedom);
        let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        // A direction without variance has no image under the transposed samples.
        let least = 1e-12 * order.first().map_or(0.0, |&i| eigen.eigenvalues[i]);
        let varying = order
            .iter()
            .filter(|&&i| eigen.eigenvalues[i] > least)
            .count();
        if has_few && count > varying {
            return Err(OracleError::Size {
                name: "the set of components",
                expected: varying,
                found: count,
            });
        }
        order.truncate(count);
        let variances: Vec<f64> = order
            .iter()
            .map(|&i| eigen.eigenvalues[i].max(0.0))
            .collect();
        let axis = |i: usize| -> Vec<f64> {
            let vector = eigen.eigenvectors.column(i);
            match has_few {
                true => (centred.transpose() * vector)
                    .normalize()
                    .as_slice()
                    .to_vec(),
                false => vector.as_slice().to_vec(),
            }
        };
        let left = total - variances.iter().sum::<f64>();
        Ok(Self {
            mean: mean.as_slice().to_vec(),
            axes: order.into_iter().map(axis).collect(),
            rest: left.max(0.0) / (dim - count).max(1) as f64,
            variances,
        })
    }

    /// The mean of the samples.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The largest eigenvalues of the covariance, in falling order.
    #[must_use]
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Their eigenvectors, of length 1. Their signs are arbitrary.
    #[must_use]
    pub fn axes(&self) -> &[Vec<f64>] {
        &self.axes
    }

    /// The mean of the other eigenvalues.
    #[must_use]
    pub fn rest(&self) -> f64 {
        self.rest
    }

    /// Probabilistic principal components: the Gaussian with this mean, these variances along the
    /// axes, and the variance [`rest`](Self::rest) in all other directions.
    #[must_use]
    pub fn gaussian(&self) -> FactorGaussian {
        self.with_rest(self.rest)
    }

    /// Like [`gaussian`](Self::gaussian), without variance in the other directions.
    #[must_use]
    pub fn without_rest(&self) -> FactorGaussian {
        self.with_rest(0.0)
    }

    fn with_rest(&self, rest: f64) -> FactorGaussian {
        let columns = self
            .axes
            .iter()
            .zip(&self.variances)
            .map(|(axis, variance)| {
                let factor = (variance - rest).max(0.0).sqrt();
                DVector::from_column_slice(axis) * factor
            });
        let columns: Vec<DVector<f64>> = columns.collect();
        let dim = self.mean.len();
        let factors = match columns.is_empty() {
            true => DMatrix::zeros(dim, 0),
            false => DMatrix::from_columns(&columns),
        };
        let mean = DVector::from_column_slice(&self.mean);
        FactorGaussian::from_host(mean, factors, DVector::from_element(dim, rest))
    }
}

/// The mean of samples `[n, …]`, and the samples without it as rows.
pub(super) fn centred<const D: usize>(
    samples: &Tensor<D>,
) -> Result<(DVector<f64>, DMatrix<f64>), OracleError> {
    let shape = samples.dims();
    let (n, dim) = (shape[0], shape[1..].iter().product::<usize>());
    for (name, expected, found) in [("samples", 2, n), ("the mean", 1, dim)] {
        if found < expected {
            return Err(OracleError::Size {
                name,
                expected,
                found,
            });
        }
    }
    let values: Vec<f64> = samples.to_data().iter::<f64>().collect();
    let value = |&value: &f64| check_value("a sample", value);
    values.iter().try_for_each(value)?;
    let mut rows = DMatrix::from_row_slice(n, dim, &values);
    let mean = rows.row_mean();
    for mut row in rows.row_iter_mut() {
        row -= &mean;
    }
    Ok((mean.transpose(), rows))
}
