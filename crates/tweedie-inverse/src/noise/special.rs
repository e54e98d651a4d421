//! Special functions for densities that burn does not provide.

use burn::tensor::Tensor;
use std::f64::consts::TAU;

/// `value`, with the gradient `slope` with respect to `mean`.
///
/// This is for densities whose derivative is simpler than the backward pass of their computation.
/// `value` and `slope` have to be constants.
pub(super) fn with_slope<const D: usize>(
    mean: Tensor<D>,
    value: Tensor<D>,
    slope: Tensor<D>,
) -> Tensor<D> {
    let nothing = mean.clone() - mean.detach();
    value + nothing * slope
}

/// `ln k!` for `k ≥ 0`, by Stirling's series at `k + 11`.
pub(super) fn ln_factorial<const D: usize>(k: Tensor<D>) -> Tensor<D> {
    let mut below = (k.clone() + 1.0).log();
    for i in 2..=10 {
        below = below + (k.clone() + f64::from(i)).log();
    }
    let z = k + 11.0;
    let (over, square) = (z.clone().recip(), z.clone().recip().square());
    let series = square.clone() * (-1.0 / 1680.0) + 1.0 / 1260.0;
    let series = series * square.clone() - 1.0 / 360.0;
    let series = (series * square + 1.0 / 12.0) * over;
    (z.clone() - 0.5) * z.clone().log() - z + series + 0.5 * TAU.ln() - below
}

/// `ln I₀(z) − z` and `I₁(z)/I₀(z)` for `z ≥ 0`.
///
/// The power series is used up to 20, the asymptotic series beyond.
///
/// # Reference
/// Abramowitz and Stegun 1964, 9.6.10 and 9.7.1.
pub(super) fn bessel<const D: usize>(z: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    let small = z.clone().clamp_max(20.0);
    let quarter = small.clone().square() / 4.0;
    let mut term = small.ones_like();
    let (mut zeroth, mut first) = (term.clone(), term.clone());
    for k in 1..=60 {
        let k = f64::from(k);
        term = term * quarter.clone() / (k * k);
        zeroth = zeroth + term.clone();
        first = first + term.clone() / (k + 1.0);
    }
    let near = (
        zeroth.clone().log() - small.clone(),
        first * small / 2.0 / zeroth,
    );
    let over = z.clone().clamp_min(20.0).recip();
    let series = |order: f64| {
        let mut term = over.ones_like();
        let mut sum = term.clone();
        for k in 1..=16 {
            let k = f64::from(k);
            let factor = -(4.0 * order * order - (2.0 * k - 1.0).powi(2)) / (8.0 * k);
            term = term * over.clone() * factor;
            sum = sum + term.clone();
        }
        sum
    };
    let (zeroth, first) = (series(0.0), series(1.0));
    let far = (
        zeroth.clone().log() - (z.clone().clamp_min(20.0) * TAU).log() / 2.0,
        first / zeroth,
    );
    let is_far = z.greater_elem(20.0);
    (
        near.0.mask_where(is_far.clone(), far.0),
        near.1.mask_where(is_far, far.1),
    )
}

/// A running log-sum-exp, `ln Σ_i exp(t_i)`, and the mean of a quantity with the terms as weights.
pub(super) struct LogSum<const D: usize> {
    largest: Tensor<D>,
    sum: Tensor<D>,
    weighted: Tensor<D>,
}

impl<const D: usize> LogSum<D> {
    /// The empty sum, in the shape of `like`.
    pub(super) fn empty(like: &Tensor<D>) -> Self {
        Self {
            largest: like.full_like(-1e30),
            sum: like.zeros_like(),
            weighted: like.zeros_like(),
        }
    }

    /// Adds a term `exp(log)` at which the quantity is `value`.
    pub(super) fn add(&mut self, log: Tensor<D>, value: Tensor<D>) {
        let higher = self.largest.clone().max_pair(log.clone());
        let fade = (self.largest.clone() - higher.clone()).exp();
        let term = (log - higher.clone()).exp();
        self.sum = self.sum.clone() * fade.clone() + term.clone();
        self.weighted = self.weighted.clone() * fade + term * value;
        self.largest = higher;
    }

    /// The logarithm of the sum, and the mean of the quantity.
    pub(super) fn finish(self) -> (Tensor<D>, Tensor<D>) {
        let mean = self.weighted / self.sum.clone();
        (self.largest + self.sum.log(), mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::abs_diff_eq;
    use burn::tensor::{DType, Device};
    use statrs::function::gamma::ln_gamma;

    fn row(values: &[f64]) -> Tensor<1> {
        Tensor::from_data(
            burn::tensor::TensorData::new(values.to_vec(), [values.len()]),
            (&Device::flex(), DType::F64),
        )
    }

    #[test]
    fn factorials_are_those_of_the_gamma_function() {
        let k = [0.0, 1.0, 2.0, 3.5, 10.0, 170.0, 1e5];
        let found: Vec<f64> = ln_factorial(row(&k)).into_data().iter::<f64>().collect();
        for (found, k) in found.iter().zip(k) {
            let exact = ln_gamma(k + 1.0);
            assert!(
                abs_diff_eq!(*found, exact, epsilon = 1e-10 * exact.abs().max(1.0)),
                "{k}: {found}"
            );
        }
    }

    /// `I_n(z) = 1/π ∫₀^π exp(z cos t) cos(n t) dt`, by the midpoint rule, which is exact here to
    /// rounding.
    #[test]
    fn bessel_functions_are_their_integral() {
        let z = [0.0, 0.3, 2.0, 19.9, 20.1, 75.0, 400.0];
        let (log, ratio) = bessel(row(&z));
        let (log, ratio) = (log.into_data(), ratio.into_data());
        let found: Vec<_> = log.iter::<f64>().zip(ratio.iter::<f64>()).collect();
        for ((log, ratio), z) in found.into_iter().zip(z) {
            let count = 2000;
            let integral = |n: f64| -> f64 {
                let at = |i: i32| {
                    let t = TAU / 2.0 * (f64::from(i) + 0.5) / f64::from(count);
                    (z * (t.cos() - 1.0)).exp() * (n * t).cos()
                };
                (0..count).map(at).sum::<f64>() / f64::from(count)
            };
            let exact = (integral(0.0).ln(), integral(1.0) / integral(0.0));
            assert!(
                abs_diff_eq!(log, exact.0, epsilon = 1e-11 * exact.0.max(1.0)),
                "{z}: {log} {}",
                exact.0
            );
            assert!(
                abs_diff_eq!(ratio, exact.1, epsilon = 1e-11),
                "{z}: {ratio} {}",
                exact.1
            );
        }
    }
}
