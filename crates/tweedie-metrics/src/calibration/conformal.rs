//! Intervals that hold whatever the method: its own spread, times a factor found on examples.
//!
//! With `n` examples of truth, centre `c` and spread `s > 0`, the interval of a value is `c ± λ s`.
//! Let `R(λ)` be the mean fraction of values outside. Conformal risk control takes the least `λ`
//! with `(n R(λ) + 1)/(n + 1) ≤ 1 − level`. For a further example from the same law the fraction
//! inside is then at least `level` on average, over the examples and the further one. This holds
//! for any centre and spread; good ones make the intervals short.
//!
//! # Reference
//! Angelopoulos, Bates, Fisch, Lei & Schuster 2024, "Conformal risk control", theorem 1,
//! arXiv:2208.02814; Bates et al. 2021, "Distribution-free, risk-controlling prediction sets",
//! Hoeffding's bound of section 3.1, arXiv:2101.02703.

use super::{CalibrationError, Coverage, finite, fraction};
use burn::tensor::Tensor;

/// Intervals `centre ± λ spread` with a calibrated `λ`, in place of a method's own.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_metrics::calibration::Conformal;
///
/// // Errors of 1 to 9 where a spread of 1 is claimed.
/// let nine = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
/// let truth = Tensor::<1>::from_floats(nine, &Device::flex()).reshape([9, 1]);
/// let (centre, spread) = (truth.zeros_like(), truth.ones_like());
/// // One of nine may be outside, but one of ten is reserved for the further example.
/// let intervals = Conformal::fit(&centre, &spread, &truth, 0.8)?;
/// assert_eq!(intervals.factor(), 8.0);
/// # Ok::<(), tweedie_metrics::calibration::CalibrationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conformal {
    factor: f64,
    level: f64,
}

impl Conformal {
    /// Finds the factor with which intervals hold `level` of a further example's values on average.
    ///
    /// The examples must not have been used to train the method. A value with the spread 0 has an
    /// interval without extent.
    ///
    /// # Errors
    /// [`CalibrationError`] for a level outside (0, 1), fewer than `level/(1 − level)` examples,
    /// other shapes than that of the truth or no values, values that are not finite, spreads below
    /// 0, and spreads of 0 at too many values that are off.
    pub fn fit<const D: usize>(
        centre: &Tensor<D>,
        spread: &Tensor<D>,
        truth: &Tensor<D>,
        level: f64,
    ) -> Result<Self, CalibrationError> {
        let outside = 1.0 - fraction("the level", level)?;
        let n = truth.dims()[0] as f64;
        let allowed = ((n + 1.0) * outside - 1.0) / n;
        let needed = (1.0 / outside - 1.0 - 1e-9).ceil() as usize;
        Self::allowing(level, allowed, needed, [centre, spread, truth])
    }

    /// Finds the factor with which, with the probability `confidence` over the examples, intervals
    /// hold at least `level` of the values of further examples on average.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), with at least `ln(1/(1 − confidence))/(2 (1 − level)²)` examples.
    pub fn fit_with_confidence<const D: usize>(
        centre: &Tensor<D>,
        spread: &Tensor<D>,
        truth: &Tensor<D>,
        level: f64,
        confidence: f64,
    ) -> Result<Self, CalibrationError> {
        let outside = 1.0 - fraction("the level", level)?;
        let logarithm = -(1.0 - fraction("the confidence", confidence)?).ln();
        let allowed = outside - (logarithm / (2.0 * truth.dims()[0] as f64)).sqrt();
        let needed = (logarithm / (2.0 * outside * outside)).ceil() as usize;
        Self::allowing(level, allowed, needed, [centre, spread, truth])
    }

    /// The least factor with which at most the fraction `allowed` of all values is outside.
    fn allowing<const D: usize>(
        level: f64,
        allowed: f64,
        needed: usize,
        [centre, spread, truth]: [&Tensor<D>; 3],
    ) -> Result<Self, CalibrationError> {
        let found = truth.dims()[0];
        if found < needed.max(1) {
            return Err(CalibrationError::TooFew {
                what: "examples",
                found,
                needed: needed.max(1),
            });
        }
        same_shape("the centre", centre, truth)?;
        let spreads = spreads(spread, truth)?;
        let errors = finite("a truth or a centre", &(truth.clone() - centre.clone()))?;
        // How many spreads each value is off.
        let mut scores: Vec<f64> = errors
            .iter()
            .zip(&spreads)
            .map(|(error, spread)| {
                if *error == 0.0 {
                    0.0
                } else {
                    error.abs() / spread
                }
            })
            .collect();
        let outside = (allowed.max(0.0) * scores.len() as f64 + 1e-9) as usize;
        let place = scores.len() - 1 - outside.min(scores.len() - 1);
        let (_, factor, _) = scores.select_nth_unstable_by(place, f64::total_cmp);
        match factor.is_finite() {
            true => Ok(Self {
                factor: *factor,
                level,
            }),
            false => Err(CalibrationError::Value(
                "a spread, 0 where the centre is off,",
            )),
        }
    }

    /// The factor `λ`.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// The lower and upper ends of the intervals.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn interval<const D: usize>(
        &self,
        centre: Tensor<D>,
        spread: Tensor<D>,
    ) -> (Tensor<D>, Tensor<D>) {
        assert_eq!(centre.dims(), spread.dims(), "shapes of centre and spread");
        let half = spread * self.factor;
        (centre.clone() - half.clone(), centre + half)
    }

    /// The fraction of each example's values that its intervals hold.
    ///
    /// # Errors
    /// [`CalibrationError`] for other shapes than that of the truth, values that are not finite,
    /// and spreads below 0.
    pub fn coverage<const D: usize>(
        &self,
        centre: &Tensor<D>,
        spread: &Tensor<D>,
        truth: &Tensor<D>,
    ) -> Result<Coverage, CalibrationError> {
        same_shape("the centre", centre, truth)?;
        let spreads = spreads(spread, truth)?;
        let values: usize = truth.dims()[1..].iter().product();
        let errors = finite("a truth or a centre", &(truth.clone() - centre.clone()))?;
        let held = errors.chunks(values).zip(spreads.chunks(values));
        let held = held.map(|(errors, spreads)| {
            let pairs = errors.iter().zip(spreads);
            let inside = pairs.filter(|(error, spread)| error.abs() <= self.factor * **spread);
            inside.count() as f64 / values as f64
        });
        Ok(Coverage {
            nominal: self.level,
            found: held.collect(),
        })
    }
}

fn same_shape<const D: usize>(
    name: &'static str,
    x: &Tensor<D>,
    truth: &Tensor<D>,
) -> Result<(), CalibrationError> {
    if x.dims() == truth.dims() && truth.dims()[1..].iter().product::<usize>() > 0 {
        return Ok(());
    }
    Err(CalibrationError::Shape {
        name,
        found: x.dims().to_vec(),
        expected: format!("that of the truth, {:?}, with values", truth.dims()),
    })
}

/// The spreads, none below 0.
fn spreads<const D: usize>(
    spread: &Tensor<D>,
    truth: &Tensor<D>,
) -> Result<Vec<f64>, CalibrationError> {
    same_shape("the spread", spread, truth)?;
    let values = finite("a spread", spread)?;
    match values.iter().all(|&value| value >= 0.0) {
        true => Ok(values),
        false => Err(CalibrationError::Value("a spread")),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use tweedie_core::{HostNoise, Noise};

    /// A method that is biased and twice too sure: after calibration its intervals hold 90 % of new
    /// values. Averaged over many calibrations the guarantee is `level ≤ E ≤ level + 1/(n + 1)`.
    #[test]
    fn intervals_of_a_wrong_method_hold_on_average() {
        let device = Device::flex();
        let mut noise = HostNoise::seeded(7);
        let mut normal = |shape: [usize; 2]| -> Tensor<2> { noise.normal(shape, &device) };
        let (mut sum, runs, n) = (0.0, 400, 19);
        for _ in 0..runs {
            let truth = normal([n, 3]);
            let centre = (truth.clone() + normal([n, 3])) * 0.5 + 0.3;
            let spread = truth.full_like(0.35);
            let fitted = Conformal::fit(&centre, &spread, &truth, 0.9).expect("a factor");
            let truth = normal([50, 3]);
            let centre = (truth.clone() + normal([50, 3])) * 0.5 + 0.3;
            let spread = truth.full_like(0.35);
            let held = fitted
                .coverage(&centre, &spread, &truth)
                .expect("a coverage");
            sum += held.mean();
        }
        let mean = sum / f64::from(runs);
        // The standard error of the mean is about 0.003.
        assert!((0.89..0.96).contains(&mean), "{mean}");
    }

    #[test]
    fn confidence_costs_length_and_few_examples_are_refused() {
        let device = Device::flex();
        let truth =
            Tensor::<1>::from_data(&(1..=500).map(f64::from).collect::<Vec<_>>()[..], &device);
        let (centre, spread) = (truth.zeros_like(), truth.ones_like());
        let factor = |found: Result<Conformal, CalibrationError>| found.map(|it| it.factor());
        let average = factor(Conformal::fit(&centre, &spread, &truth, 0.9)).expect("a factor");
        let sure = Conformal::fit_with_confidence(&centre, &spread, &truth, 0.9, 0.95);
        let sure = factor(sure).expect("a factor");
        // 49 of 500 may be outside; with a confidence of 95 %, 0.1 − √(ln 20/1000) of them.
        assert_eq!((average, sure), (451.0, 478.0));
        let few = |n: usize| truth.clone().narrow(0, 0, n);
        let fit = |n: usize| {
            let (truth, spread) = (few(n), few(n).ones_like());
            Conformal::fit(&truth.zeros_like(), &spread, &truth, 0.9)
        };
        assert!(fit(8).is_err() && fit(9).is_ok());
        assert!(Conformal::fit(&centre, &(spread * -1.0), &truth, 0.9).is_err());
    }
}
