//! Whether a measurement is one that the prior can explain: a test against the prior's predictive
//! law.

use crate::wasserstein::points;
use burn::tensor::Tensor;

/// The p-value of each measurement `[n, values]` under the law of `simulated` ones
/// `[count, values]`: those of draws from the prior, with operator and noise applied.
///
/// The statistic is the distance to the nearest other measurement, among the simulated ones and the
/// one in question. If it is one more of the same law, all are exchangeable, and the p-value is
/// uniform on the multiples of `1/(count + 1)`, for any count. A small one says: this image is not
/// what the prior knows. A large one does not say that the prior is right.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use tweedie_metrics::calibration::surprise;
///
/// let simulated = Tensor::<1, Int>::arange(0..19, &Device::flex()).float().reshape([19, 1]);
/// let y = Tensor::<2>::from_floats([[7.4], [40.0]], &Device::flex());
/// assert_eq!(surprise(&y, &simulated), [1.0, 0.05]);
/// ```
///
/// # Panics
/// If the numbers of values differ or are 0, or nothing is simulated.
#[must_use]
pub fn surprise(y: &Tensor<2>, simulated: &Tensor<2>) -> Vec<f64> {
    let ([_, values], [count, other]) = (y.dims(), simulated.dims());
    assert_eq!(values, other, "measurements of one size");
    assert!(values > 0 && count > 0, "simulated measurements");
    let (y, simulated) = (points(y), points(simulated));
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
    y.chunks(values).map(p_value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn p_values_are_uniform_under_the_law_and_small_outside() {
        let device = Device::flex();
        device.seed(1);
        let normal =
            |rows: usize| Tensor::<2>::random([rows, 5], Distribution::Normal(0.0, 1.0), &device);
        let (mut below, mut runs) = (0, 0);
        for _ in 0..40 {
            let found = surprise(&normal(25), &normal(99));
            below += found.iter().filter(|&&p| p <= 0.2).count();
            runs += found.len();
        }
        let share = f64::from(below as u32) / f64::from(runs as u32);
        assert!((share - 0.2).abs() < 0.05, "{share}");
        let strange = surprise(&(normal(20) * 4.0), &normal(99));
        let small = strange.iter().filter(|&&p| p <= 0.05).count();
        assert!(small >= 17, "{strange:?}");
    }
}
