//! Maximum mean discrepancy: `MMD² = E k(x, x′) + E k(y, y′) − 2 E k(x, y)`.
//!
//! # Reference
//! Gretton et al. 2012, "A kernel two-sample test", equations 3 and 5.

use crate::wasserstein::points;
use burn::tensor::Tensor;

/// Whether the estimate includes the pairs of a point with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimate {
    /// Includes them: never negative, too large by `O(1/n)`.
    Biased,
    /// Excludes them: 0 on average for equal distributions, hence sometimes negative.
    Unbiased,
}

/// The squared MMD of two clouds `[count, dim]` under `k(x, y) = exp(−‖x − y‖²/(2h²))`.
///
/// `bandwidth` is `h`. The cost is proportional to the product of the counts.
/// [`Estimate::Unbiased`] needs two points in each cloud.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_metrics::{Estimate, mmd_squared};
///
/// let a = Tensor::<2>::from_floats([[0.0], [1.0]], &Device::flex());
/// assert!(mmd_squared(&a, &a, 1.0, Estimate::Biased).abs() < 1e-12);
/// ```
///
/// # Panics
/// If the dimensions differ or are 0, a cloud has too few points, or `bandwidth` is not above 0.
#[must_use]
pub fn mmd_squared(a: &Tensor<2>, b: &Tensor<2>, bandwidth: f64, estimate: Estimate) -> f64 {
    let ([n, dim], [m, other]) = (a.dims(), b.dims());
    assert_eq!(dim, other, "clouds of one dimension");
    assert!(dim > 0, "clouds of at least one dimension");
    assert!(bandwidth > 0.0, "a bandwidth of {bandwidth}");
    let least = match estimate {
        Estimate::Biased => 1,
        Estimate::Unbiased => 2,
    };
    assert!(n.min(m) >= least, "at least {least} points in each cloud");
    let (a, b) = (points(a), points(b));
    let sum = |a: &[f64], b: &[f64]| -> f64 {
        let kernel = |x: &[f64], y: &[f64]| {
            let square: f64 = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum();
            (-square / (2.0 * bandwidth * bandwidth)).exp()
        };
        let pairs = a
            .chunks(dim)
            .flat_map(|x| b.chunks(dim).map(move |y| kernel(x, y)));
        pairs.sum()
    };
    let within = |x: &[f64], n: usize| {
        let (sum, n) = (sum(x, x), n as f64);
        match estimate {
            Estimate::Biased => sum / (n * n),
            // k(x, x) = 1.
            Estimate::Unbiased => (sum - n) / (n * (n - 1.0)),
        }
    };
    within(&a, n) + within(&b, m) - 2.0 * sum(&a, &b) / (n * m) as f64
}
