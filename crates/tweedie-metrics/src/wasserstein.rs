//! Wasserstein distances: `W_p(P, Q)^p = ∫₀¹ |F_P⁻¹(u) − F_Q⁻¹(u)|^p du` on the line, and its
//! average over directions in space.
//!
//! # Reference
//! Peyré & Cuturi 2019, "Computational Optimal Transport", remark 2.30, arXiv:1803.00567; Bonneel
//! et al. 2015, "Sliced and Radon Wasserstein Barycenters of Measures".

use crate::assignment::least_cost;
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// `W_p` between the empirical distributions of two sets of numbers, of any sizes.
///
/// Returns 0 if either set is empty.
///
/// # Panics
/// If `p` is not finite and above 0.
#[must_use]
pub fn wasserstein_1d(a: &[f64], b: &[f64], p: f64) -> f64 {
    assert_order(p);
    let (a, b) = (sorted(a), sorted(b));
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j, mut u, mut sum) = (0, 0, 0.0, 0.0);
    // Both quantile functions are constant between multiples of 1/n and 1/m.
    while i < n && j < m {
        let (end_a, end_b) = ((i + 1) * m, (j + 1) * n);
        let end = end_a.min(end_b) as f64 / (n * m) as f64;
        sum += (end - u) * (a[i] - b[j]).abs().powf(p);
        u = end;
        i += usize::from(end_a <= end_b);
        j += usize::from(end_b <= end_a);
    }
    sum.powf(1.0 / p)
}

/// `W_p` between two weighted sets of numbers, each given as (points, weights).
///
/// The weights are divided by their sum.
///
/// ```
/// use tweedie_metrics::wasserstein_weighted;
///
/// // A quarter of the mass moves from 0 to 1.
/// let distance = wasserstein_weighted((&[0.0], &[2.0]), (&[0.0, 1.0], &[3.0, 1.0]), 1.0);
/// assert_eq!(distance, 0.25);
/// ```
///
/// # Panics
/// * If the numbers of points and weights differ.
/// * If a weight is negative, or the sum of the weights is not finite and above 0.
/// * If `p` is not finite and above 0.
#[must_use]
pub fn wasserstein_weighted(a: (&[f64], &[f64]), b: (&[f64], &[f64]), p: f64) -> f64 {
    assert_order(p);
    let law = |(points, weights): (&[f64], &[f64])| -> Vec<(f64, f64)> {
        assert_eq!(points.len(), weights.len(), "a weight for each point");
        let sum: f64 = weights.iter().sum();
        let valid = weights.iter().all(|&weight| weight >= 0.0) && sum > 0.0 && sum.is_finite();
        assert!(valid, "weights of at least 0 with a sum above 0");
        let mut law: Vec<_> = points
            .iter()
            .copied()
            .zip(weights.iter().map(|w| w / sum))
            .collect();
        law.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
        law
    };
    let (mut a, mut b) = (law(a).into_iter().peekable(), law(b).into_iter().peekable());
    let mut sum = 0.0;
    // Match mass between the sorted points, smallest first.
    while let (Some((x, left)), Some((y, right))) = (a.peek_mut(), b.peek_mut()) {
        let mass = left.min(*right);
        sum += mass * (*x - *y).abs().powf(p);
        *left -= mass;
        *right -= mass;
        let (left, right) = (*left, *right);
        if left <= 0.0 {
            a.next();
        }
        if right <= 0.0 {
            b.next();
        }
    }
    sum.powf(1.0 / p)
}

/// The Kolmogorov–Smirnov distance of two sets of numbers.
///
/// This is the largest difference of their empirical distribution functions. NaN if either set is
/// empty or contains NaN.
#[must_use]
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() || a.iter().chain(b).any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let (a, b) = (sorted(a), sorted(b));
    let share = |values: &[f64], x: f64| {
        values.partition_point(|value| *value <= x) as f64 / values.len() as f64
    };
    let steps = a
        .iter()
        .chain(&b)
        .map(|&x| (share(&a, x) - share(&b, x)).abs());
    steps.fold(0.0, f64::max)
}

/// The exact `W_p` between two clouds `[count, dim]` with equal numbers of points.
///
/// Finds the optimal assignment under the Euclidean distance to the power `p`, in `O(count³)`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_metrics::wasserstein;
///
/// let a = Tensor::<2>::from_floats([[0.0, 0.0], [5.0, 5.0]], &Device::flex());
/// let b = Tensor::<2>::from_floats([[5.0, 6.0], [0.0, 1.0]], &Device::flex());
/// assert_eq!(wasserstein(&a, &b, 1.0), 1.0);
/// ```
///
/// # Panics
/// If the shapes differ, the dimension is 0, or `p` is not finite and above 0.
#[must_use]
pub fn wasserstein(a: &Tensor<2>, b: &Tensor<2>, p: f64) -> f64 {
    assert_order(p);
    let [count, dim] = a.dims();
    assert_eq!(a.dims(), b.dims(), "clouds of one shape");
    assert!(dim > 0, "clouds of at least one dimension");
    let (a, b) = (points(a), points(b));
    let cost = |x: &[f64], y: &[f64]| {
        let square: f64 = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum();
        square.powf(p / 2.0)
    };
    let pairs = a
        .chunks(dim)
        .flat_map(|x| b.chunks(dim).map(move |y| cost(x, y)));
    let cost: Vec<f64> = pairs.collect();
    (least_cost(&cost, count) / count as f64).powf(1.0 / p)
}

/// The sliced `W_p` between two clouds `[count, dim]`, along random directions.
///
/// Averages `W_p^p` of the projections over `directions` directions drawn from `seed`, and returns
/// the `p`-th root.
///
/// # Panics
/// If the dimensions differ or are 0, `directions` is 0, or `p` is not finite and above 0.
#[must_use]
pub fn sliced_wasserstein(
    a: &Tensor<2>,
    b: &Tensor<2>,
    p: f64,
    directions: usize,
    seed: u64,
) -> f64 {
    let dim = a.dims()[1];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut direction = || (0..dim).map(|_| StandardNormal.sample(&mut rng)).collect();
    let directions: Vec<Vec<f64>> = (0..directions).map(|_| direction()).collect();
    sliced_wasserstein_along(a, b, p, &directions)
}

/// The sliced `W_p` along the given directions, which may have any length except 0.
///
/// # Panics
/// If the dimensions differ or are 0, there are no directions, or `p` is not finite and above 0.
#[must_use]
pub fn sliced_wasserstein_along(
    a: &Tensor<2>,
    b: &Tensor<2>,
    p: f64,
    directions: &[Vec<f64>],
) -> f64 {
    let dim = a.dims()[1];
    assert_eq!(dim, b.dims()[1], "clouds of one dimension");
    assert!(dim > 0, "clouds of at least one dimension");
    assert!(!directions.is_empty(), "at least one direction");
    assert_order(p);
    let (a, b) = (points(a), points(b));
    let mut sum = 0.0;
    for direction in directions {
        assert_eq!(
            dim,
            direction.len(),
            "directions in the space of the clouds"
        );
        let norm = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
        let project = |points: &[f64]| -> Vec<f64> {
            let dot = |point: &[f64]| point.iter().zip(direction).map(|(x, d)| x * d).sum::<f64>();
            points.chunks(dim).map(|point| dot(point) / norm).collect()
        };
        sum += wasserstein_1d(&project(&a), &project(&b), p).powf(p);
    }
    (sum / directions.len() as f64).powf(1.0 / p)
}

fn assert_order(p: f64) {
    assert!(
        p > 0.0 && p.is_finite(),
        "a Wasserstein distance of order {p}"
    );
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Copies the values of a cloud to the host.
pub(crate) fn points(x: &Tensor<2>) -> Vec<f64> {
    x.to_data().iter::<f64>().collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use approx::{abs_diff_eq, assert_abs_diff_eq};
    use burn::tensor::Device;

    #[test]
    fn sets_of_different_sizes_are_compared_by_their_quantiles() {
        // Half of the mass at 0 moves to 1: W₁ = ½, W₂ = √½.
        assert_eq!(wasserstein_1d(&[0.0], &[1.0, 0.0], 1.0), 0.5);
        assert_abs_diff_eq!(
            wasserstein_1d(&[0.0], &[1.0, 0.0], 2.0),
            0.5_f64.sqrt(),
            epsilon = 1e-12
        );
        assert_abs_diff_eq!(
            wasserstein_1d(&[0.0, 3.0], &[0.0, 3.0, 3.0], 1.0),
            0.5,
            epsilon = 1e-12
        );
    }

    #[test]
    fn a_shift_costs_its_length_over_the_root_of_the_dimension() {
        let device = Device::flex();
        let a = Tensor::<2>::from_floats([[0.0, 0.0, 0.0], [1.0, -1.0, 2.0]], &device);
        let b = a.clone() + Tensor::from_floats([[3.0, 0.0, 4.0]], &device);
        // E⟨shift, u⟩² = |shift|²/dim.
        let distance = sliced_wasserstein(&a, &b, 2.0, 20_000, 0);
        assert!(
            abs_diff_eq!(distance, 5.0 / 3.0_f64.sqrt(), epsilon = 0.03),
            "{distance}"
        );
    }
}
