//! Whether a measurement is one that the prior can explain: a test against the prior's predictive
//! law.

use super::{CalibrationError, finite};
use burn::tensor::Tensor;

/// The p-value of each measurement `[n, values]` under the law of `simulated` ones
/// `[count, values]`: those of draws from the prior, with operator and noise applied.
///
/// The statistic is the distance to the nearest other measurement, among the simulated ones and the
/// one in question. If that is one more of the same law, all are exchangeable, and
/// `P(p ≤ t) ≤ t` for any count. (Two that are nearest to each other have equal distances, which
/// makes `p` larger.) A small one says that the prior does not explain the measurement; a large one
/// does not say that the prior is right.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use tweedie_metrics::calibration::surprise;
///
/// let simulated = Tensor::<1, Int>::arange(0..19, &Device::flex()).float().reshape([19, 1]);
/// let y = Tensor::<2>::from_floats([[7.4], [40.0]], &Device::flex());
/// assert_eq!(surprise(&y, &simulated)?, [1.0, 0.05]);
/// # Ok::<(), tweedie_metrics::calibration::CalibrationError>(())
/// ```
///
/// # Errors
/// [`CalibrationError`] if the numbers of values differ or are 0, nothing is simulated, or a value
/// is not finite.
pub fn surprise(y: &Tensor<2>, simulated: &Tensor<2>) -> Result<Vec<f64>, CalibrationError> {
    let ([_, values], [count, other]) = (y.dims(), simulated.dims());
    if values != other || values == 0 || count == 0 {
        return Err(CalibrationError::Shape {
            name: "the set of simulated measurements",
            found: simulated.dims().to_vec(),
            expected: format!("rows of {values} values, as the measurements have"),
        });
    }
    let y = finite("a measurement", y)?;
    let simulated = finite("a simulated measurement", simulated)?;
    let square =
        |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
    let rows: Vec<&[f64]> = simulated.chunks(values).collect();
    let nearest = |i: usize| {
        let others = rows.iter().enumerate().filter(|(j, _)| *j != i);
        let distances = others.map(|(_, other)| square(rows[i], other));
        distances.fold(f64::INFINITY, f64::min)
    };
    let among: Vec<f64> = (0..count).map(nearest).collect();
    let p_value = |y: &[f64]| {
        let to: Vec<f64> = rows.iter().map(|row| square(row, y)).collect();
        let own = to.iter().copied().fold(f64::INFINITY, f64::min);
        // Each simulated measurement has the one in question as a neighbour, too.
        let nearest = among.iter().zip(&to).map(|(among, to)| among.min(*to));
        let far = nearest.filter(|nearest| *nearest >= own).count();
        (far + 1) as f64 / (count + 1) as f64
    };
    Ok(y.chunks(values).map(p_value).collect())
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use tweedie_core::{HostNoise, Noise};

    #[test]
    fn p_values_are_valid_under_the_law_and_small_outside() {
        let device = Device::flex();
        let mut noise = HostNoise::seeded(1);
        let mut normal = |rows: usize| -> Tensor<2> { noise.normal([rows, 5], &device) };
        let (mut below, mut runs) = (0, 0);
        for _ in 0..40 {
            let found = surprise(&normal(25), &normal(99)).expect("p-values");
            below += found.iter().filter(|&&p| p <= 0.2).count();
            runs += found.len();
        }
        let share = f64::from(below as u32) / f64::from(runs as u32);
        assert!((0.1..0.23).contains(&share), "{share}");
        let strange = surprise(&(normal(20) * 4.0), &normal(99)).expect("p-values");
        let small = strange.iter().filter(|&&p| p <= 0.05).count();
        assert!(small >= 17, "{strange:?}");
    }
}
