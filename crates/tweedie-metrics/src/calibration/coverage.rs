//! How often central intervals of posterior draws hold the truth, value by value.

use super::{CalibrationError, draws_each, finite, fraction};
use burn::tensor::Tensor;

/// The coverage of intervals between two order statistics of the draws.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Coverage {
    /// The coverage that draws from the posterior have on average, `1 − 2k/(m + 1)` with `m` draws,
    /// of which `k` lie on each side of the truth: the largest that is at most the requested one.
    pub nominal: f64,
    /// The fraction of each truth's values that its intervals hold.
    pub found: Vec<f64>,
}

impl Coverage {
    /// The mean of the coverage over the truths.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.found.iter().sum::<f64>() / self.found.len() as f64
    }

    /// The standard error of [`mean`](Self::mean), NaN for one truth. Values of one image depend on
    /// each other, so it is from the spread over truths.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        let (n, mean) = (self.found.len() as f64, self.mean());
        let squares: f64 = self.found.iter().map(|x| (x - mean).powi(2)).sum();
        (squares / (n * (n - 1.0))).sqrt()
    }
}

/// Counts how often the central interval of the draws holds the truth, for each value.
///
/// With `m` draws from the true posterior, the truth is one of `m + 1` exchangeable numbers, so the
/// interval between the `k`-th smallest and the `k`-th largest draw holds it with the probability
/// `1 − 2k/(m + 1)`. The interval is closed, so values that all draws have exactly, such as
/// saturated pixels, are held.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_metrics::calibration::coverage;
///
/// // One truth of two values, nine draws: the second value is outside all of them.
/// let nine = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
/// let draws = Tensor::<1>::from_floats(nine, &Device::flex());
/// let draws = Tensor::stack::<2>(vec![draws.clone(), draws], 1);
/// let truth = Tensor::<2>::from_floats([[5.5, 11.0]], &Device::flex());
/// let found = coverage(&draws, &truth, 0.8)?;
/// assert_eq!((found.nominal, found.mean()), (0.8, 0.5));
/// # Ok::<(), tweedie_metrics::calibration::CalibrationError>(())
/// ```
///
/// # Errors
/// [`CalibrationError`] for a level outside (0, 1), too few draws, a batch that does not fit the
/// truths, and values that are not finite.
pub fn coverage<const D: usize>(
    draws: &Tensor<D>,
    truth: &Tensor<D>,
    level: f64,
) -> Result<Coverage, CalibrationError> {
    let level = fraction("the level", level)?;
    let m = draws_each(draws, truth)?;
    // Rounding must not move a level of 0.8 with nine draws from k = 1.
    let outside = |m: usize| ((1.0 - level) / 2.0 * (m + 1) as f64 - 1e-9).ceil() as usize;
    let k = outside(m);
    // 1 − 2k/(m + 1) must not be below the level by a whole draw, nor the interval empty.
    let enough = |m: usize| m as f64 + 1e-9 >= 2.0 / (1.0 - level) - 1.0 && 2 * outside(m) <= m;
    if !enough(m) {
        let needed = (m..).find(|&m| enough(m)).unwrap_or(usize::MAX);
        return Err(CalibrationError::TooFew {
            what: "draws",
            found: m,
            needed,
        });
    }
    let values: usize = truth.dims()[1..].iter().product();
    let (draws, truth) = (finite("a draw", draws)?, finite("a truth", truth)?);
    let of_one = |(draws, truth): (&[f64], &[f64])| {
        let holds = truth.iter().enumerate().filter(|(place, value)| {
            // The interval is closed: a draw that equals the truth is on both sides.
            let below = (0..m)
                .filter(|i| draws[i * values + place] <= **value)
                .count();
            let above = (0..m)
                .filter(|i| draws[i * values + place] >= **value)
                .count();
            below >= k && above >= k
        });
        holds.count() as f64 / values as f64
    };
    let pairs = draws.chunks(m * values).zip(truth.chunks(values));
    Ok(Coverage {
        nominal: 1.0 - 2.0 * k as f64 / (m + 1) as f64,
        found: pairs.map(of_one).collect(),
    })
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::tensor::Device;
    use tweedie_core::{HostNoise, Noise};

    /// 2,000 problems with the posterior `N(y/2, 1/2)`, and draws that are too narrow by a third.
    #[test]
    fn exact_draws_cover_as_they_say_and_narrow_ones_less() {
        let device = Device::flex();
        let mut noise = HostNoise::seeded(3);
        let mut normal = |shape: [usize; 2]| -> Tensor<2> { noise.normal(shape, &device) };
        let truth = normal([2000, 4]);
        let mean = (truth.clone() + normal([2000, 4])) * 0.5;
        let mean = mean.unsqueeze_dim::<3>(1).expand([2000, 19, 4]);
        let mean = mean.reshape([38_000, 4]);
        let mut draws = |spread: f64| mean.clone() + normal([38_000, 4]) * spread;
        let root = 0.5_f64.sqrt();
        let exact = coverage(&draws(root), &truth, 0.9).expect("a coverage");
        assert_abs_diff_eq!(exact.nominal, 0.9, epsilon = 1e-12);
        assert!((exact.mean() - 0.9).abs() < 4.0 * exact.standard_error());
        assert!(exact.standard_error() < 0.005);
        // 1 − 2 E Φ(3 z/2)¹⁹: the truth is between the ends of 19 draws of two thirds of the
        // spread.
        let narrow = coverage(&draws(root * 2.0 / 3.0), &truth, 0.9).expect("a coverage");
        assert_abs_diff_eq!(narrow.mean(), 0.754, epsilon = 0.02);
    }

    #[test]
    fn too_few_draws_and_wrong_batches_are_refused() {
        let device = Device::flex();
        let zeros = |n| Tensor::<2>::zeros([n, 3], &device);
        let few = coverage(&zeros(8), &zeros(1), 0.9).expect_err("too few");
        assert_eq!(
            few.to_string(),
            "8 draws are too few for this level, at least 19 are needed"
        );
        assert!(coverage(&zeros(19), &zeros(1), 0.9).is_ok());
        assert!(coverage(&zeros(19), &zeros(2), 0.9).is_err());
        assert!(coverage(&zeros(19), &zeros(1), 1.0).is_err());
        assert!(coverage(&(zeros(19) / 0.0), &zeros(1), 0.9).is_err());
        let low = coverage(&zeros(1), &zeros(1), 0.1).expect_err("too few");
        assert!(low.to_string().ends_with("at least 10 are needed"), "{low}");
        // 1 − 2 · 5/11 is the first coverage up to 0.1. Then: all draws are the truth.
        let same = coverage(&zeros(19), &zeros(1), 0.9).expect("a coverage");
        assert_abs_diff_eq!(same.mean(), 1.0);
    }
}
