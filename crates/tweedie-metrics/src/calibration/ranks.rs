//! Simulation-based calibration: the ranks of truths among draws, which are uniform if the draws
//! are from the posterior.
//!
//! # Reference
//! Talts, Betancourt, Simpson, Vehtari & Gelman 2018, "Validating Bayesian inference algorithms
//! with simulation-based calibration", theorem 1, arXiv:1804.06788.

use super::{CalibrationError, draws_each, finite, fraction};
use burn::tensor::Tensor;
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF};
use tweedie_math::ParameterError;

/// The number of draws below each truth, from 0 to `m`: `[truths × values]`.
///
/// Equal values count as half, rounded down; continuous laws have none.
///
/// # Errors
/// [`CalibrationError`] for a batch that does not fit the truths, and values that are not finite.
pub fn ranks<const D: usize>(
    draws: &Tensor<D>,
    truth: &Tensor<D>,
) -> Result<Vec<usize>, CalibrationError> {
    let m = draws_each(draws, truth)?;
    let values: usize = truth.dims()[1..].iter().product();
    let (draws, truth) = (finite("a draw", draws)?, finite("a truth", truth)?);
    let rank = |(at, truth): (usize, &f64)| {
        let (image, place) = (at / values, at % values);
        let own = (0..m).map(|i| draws[(image * m + i) * values + place]);
        // The values are finite, and −0 is 0.
        let twice = own.map(|draw| usize::from(draw < *truth) + usize::from(draw <= *truth));
        twice.sum::<usize>() / 2
    };
    Ok(truth.iter().enumerate().map(rank).collect())
}

/// A histogram of ranks.
///
/// ```
/// use tweedie_metrics::calibration::RankHistogram;
///
/// // 300 ranks among 9 draws, in five bins of two ranks each: uniform.
/// let ranks: Vec<usize> = (0..300).map(|i| i * 7 % 10).collect();
/// let histogram = RankHistogram::new(&ranks, 9, 5)?;
/// assert_eq!(histogram.counts(), [60; 5]);
/// assert!(histogram.p_value() > 0.99);
/// // Draws that are too narrow: the truth is often outside.
/// let rank = |i: usize| if i % 3 == 0 { 9 * (i % 2) } else { i % 10 };
/// let outside: Vec<usize> = (0..300).map(rank).collect();
/// assert!(RankHistogram::new(&outside, 9, 5)?.p_value() < 1e-6);
/// # Ok::<(), tweedie_metrics::calibration::CalibrationError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RankHistogram {
    counts: Vec<usize>,
}

impl RankHistogram {
    /// Counts ranks from 0 to `draws` in `bins` bins of equal size.
    ///
    /// # Errors
    /// [`CalibrationError`] unless there are ranks, at most `draws` each, and `bins` is above 1 and
    /// divides `draws + 1`.
    pub fn new(ranks: &[usize], draws: usize, bins: usize) -> Result<Self, CalibrationError> {
        let divides = bins > 1 && (draws + 1).is_multiple_of(bins);
        let expected = "above 1, and a divisor of the number of draws plus 1";
        ParameterError::require(divides, "the number of bins", expected, bins as f64)?;
        ParameterError::require_count("the number of ranks", ranks.len())?;
        let mut counts = vec![0; bins];
        for &rank in ranks {
            let fits = rank <= draws;
            ParameterError::require(fits, "a rank", "at most the number of draws", rank as f64)?;
            counts[rank * bins / (draws + 1)] += 1;
        }
        Ok(Self { counts })
    }

    /// The number of ranks in each bin.
    #[must_use]
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The range in which each count is with a probability of at least `level` if ranks are
    /// uniform and independent: quantiles of the binomial law.
    ///
    /// # Errors
    /// [`ParameterError`] for a level outside (0, 1).
    pub fn band(&self, level: f64) -> Result<[usize; 2], ParameterError> {
        let level = fraction("the level", level)?;
        let count: usize = self.counts.iter().sum();
        let law = Binomial::new(1.0 / self.counts.len() as f64, count as u64);
        let quantile = |p: f64| law.as_ref().map_or(0, |law| law.inverse_cdf(p) as usize);
        Ok([quantile((1.0 - level) / 2.0), quantile((1.0 + level) / 2.0)])
    }

    /// The probability of counts at least as uneven if ranks are uniform and independent, by the
    /// χ² test. It needs about five ranks in each bin.
    #[must_use]
    pub fn p_value(&self) -> f64 {
        let count: usize = self.counts.iter().sum();
        let expected = count as f64 / self.counts.len() as f64;
        let squares = self.counts.iter().map(|&n| (n as f64 - expected).powi(2));
        let statistic = squares.sum::<f64>() / expected;
        ChiSquared::new((self.counts.len() - 1) as f64).map_or(f64::NAN, |law| law.sf(statistic))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use tweedie_core::{HostNoise, Noise};

    /// The posterior `N(y/2, 1/2)`, and draws from it and from a law shifted by half a deviation.
    #[test]
    fn exact_draws_have_uniform_ranks_and_shifted_ones_do_not() {
        let device = Device::flex();
        let mut noise = HostNoise::seeded(5);
        let mut normal = |rows: usize| -> Tensor<2> { noise.normal([rows, 1], &device) };
        let truth = normal(2000);
        let mean = (truth.clone() + normal(2000)) * 0.5;
        let mean = mean.expand([2000, 9]).reshape([18_000, 1]);
        let draws = mean + normal(18_000) * 0.5_f64.sqrt();
        let histogram = |draws: &Tensor<2>| {
            let ranks = ranks(draws, &truth).expect("ranks");
            RankHistogram::new(&ranks, 9, 10).expect("a histogram")
        };
        let exact = histogram(&draws);
        assert!(exact.p_value() > 0.01, "{exact:?}");
        let [low, high] = exact.band(0.999).expect("a band");
        assert!(low > 150 && high < 250);
        assert!(exact.counts().iter().all(|&n| (low..=high).contains(&n)));
        let shifted = histogram(&(draws + 0.35));
        assert!(shifted.p_value() < 1e-6 && shifted.counts()[0] > high);
    }

    #[test]
    fn equal_values_count_as_half() {
        let device = Device::flex();
        let draws = Tensor::<1>::from_floats([1.0, 2.0, 2.0, 3.0], &device);
        let truth = Tensor::<1>::from_floats([2.0], &device);
        assert_eq!(ranks(&draws, &truth).expect("ranks"), [2]);
        assert!(RankHistogram::new(&[2], 4, 2).is_err());
        assert!(RankHistogram::new(&[5], 4, 5).is_err());
        assert!(RankHistogram::new(&[], 4, 5).is_err());
    }
}
