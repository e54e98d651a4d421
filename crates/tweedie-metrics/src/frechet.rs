//! The Fréchet distance of Gaussians: `‖m₁ − m₂‖² + tr(C₁ + C₂ − 2 (C₁^½ C₂ C₁^½)^½)`.
//!
//! With features of Inception v3 this is the FID. The caller supplies the features.
//!
//! # Reference
//! Dowson and Landau 1982; Heusel et al. 2017, "GANs trained by a two time-scale update rule",
//! arXiv:1706.08500.

use crate::wasserstein::points;
use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// The squared Fréchet distance between Gaussians fitted to two sets of features.
///
/// The features are `[count, dim]`. The covariances are divided by `n − 1`, and computed in `f64`
/// on the host.
///
/// With fewer samples than dimensions the covariances are singular. The distance is then still
/// defined, but far too large.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_metrics::frechet_distance;
///
/// let a = Tensor::<2>::from_floats([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0]], &Device::flex());
/// // A shift by (3, 4) costs 25.
/// let b = a.clone() + Tensor::from_floats([[3.0, 4.0]], &Device::flex());
/// assert!((frechet_distance(&a, &b) - 25.0).abs() < 1e-6);
/// ```
///
/// # Panics
/// If the dimensions differ or are 0, or a set has fewer than two samples.
#[must_use]
pub fn frechet_distance(a: &Tensor<2>, b: &Tensor<2>) -> f64 {
    assert_eq!(a.dims()[1], b.dims()[1], "features of one dimension");
    assert!(a.dims()[1] > 0, "features of at least one dimension");
    let ((mean_a, cov_a), (mean_b, cov_b)) = (moments(a), moments(b));
    let root = roots(&cov_a, |value, vectors| {
        vectors * DMatrix::from_diagonal(&value) * vectors.transpose()
    });
    let inner = &root * &cov_b * &root;
    let cross = roots(&((&inner + inner.transpose()) * 0.5), |value, _| {
        value.sum()
    });
    (mean_a - mean_b).norm_squared() + cov_a.trace() + cov_b.trace() - 2.0 * cross
}

fn moments(x: &Tensor<2>) -> (DVector<f64>, DMatrix<f64>) {
    let [n, dim] = x.dims();
    assert!(n > 1, "a covariance needs two samples");
    let x = DMatrix::from_row_slice(n, dim, &points(x));
    let mean = x.row_mean().transpose();
    let centred = DMatrix::from_fn(n, dim, |i, j| x[(i, j)] - mean[j]);
    (mean, centred.tr_mul(&centred) / (n as f64 - 1.0))
}

/// Applies `of` to the square roots of a symmetric matrix's eigenvalues, and its eigenvectors.
fn roots<R>(matrix: &DMatrix<f64>, of: impl FnOnce(DVector<f64>, &DMatrix<f64>) -> R) -> R {
    let eigen = SymmetricEigen::new(matrix.clone());
    // Rounding can make eigenvalues negative.
    let values = eigen.eigenvalues.map(|value| value.max(0.0).sqrt());
    of(values, &eigen.eigenvectors)
}
