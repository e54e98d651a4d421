//! The energy distance: `√(2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖)`.
//!
//! # Reference
//! Székely & Rizzo 2013, "Energy statistics", eq. 2.5.

use crate::wasserstein::points;
use burn::tensor::Tensor;

/// The energy distance between two clouds `[count, dim]`; 0 only for equal distributions.
///
/// The cost is proportional to the product of the counts. NaN if either cloud has no points.
///
/// # Panics
/// If the dimensions differ or are 0.
#[must_use]
pub fn energy_distance(a: &Tensor<2>, b: &Tensor<2>) -> f64 {
    let dim = a.dims()[1];
    assert_eq!(dim, b.dims()[1], "clouds of one dimension");
    assert!(dim > 0, "clouds of at least one dimension");
    let (a, b) = (points(a), points(b));
    let square =
        2.0 * mean_distance(&a, &b, dim) - mean_distance(&a, &a, dim) - mean_distance(&b, &b, dim);
    // Rounding can make the square negative; NaN is kept.
    if square < 0.0 { 0.0 } else { square.sqrt() }
}

/// An estimate without bias of the squared energy distance, `2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖`;
/// near 0, and of either sign, for equal distributions.
///
/// [`energy_distance`] counts the distance of each point to itself, so it is above 0 even for two
/// clouds of one distribution, and less so for clouds that are too narrow. Compare methods by this.
///
/// # Panics
/// If the dimensions differ or are 0, or a cloud has fewer than two points.
#[must_use]
pub fn energy_squared(a: &Tensor<2>, b: &Tensor<2>) -> f64 {
    let ([n, dim], [m, other]) = (a.dims(), b.dims());
    assert_eq!(dim, other, "clouds of one dimension");
    assert!(dim > 0, "clouds of at least one dimension");
    assert!(n > 1 && m > 1, "clouds of at least two points");
    let (a, b) = (points(a), points(b));
    let within = |x: &[f64], count: usize| {
        let count = count as f64;
        mean_distance(x, x, dim) * count / (count - 1.0)
    };
    2.0 * mean_distance(&a, &b, dim) - within(&a, n) - within(&b, m)
}

fn mean_distance(a: &[f64], b: &[f64], dim: usize) -> f64 {
    let distance = |x: &[f64], y: &[f64]| {
        let square: f64 = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum();
        square.sqrt()
    };
    let pairs = a
        .chunks(dim)
        .flat_map(|x| b.chunks(dim).map(move |y| distance(x, y)));
    pairs.sum::<f64>() / (a.len() / dim * (b.len() / dim)) as f64
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use burn::tensor::Device;
    use tweedie_core::{HostNoise, Noise};

    #[test]
    fn two_points_at_distance_d_are_at_energy_distance_root_2d() {
        let device = Device::flex();
        let point = |x: f32, y: f32| Tensor::<2>::from_floats([[x, y]], &device);
        let distance = energy_distance(&point(0.0, 0.0), &point(3.0, 4.0));
        assert_abs_diff_eq!(distance, 10.0_f64.sqrt(), epsilon = 1e-12);
        assert_eq!(energy_distance(&point(1.0, 2.0), &point(1.0, 2.0)), 0.0);
    }

    /// Over many pairs of small clouds of one law the mean is 0; for a shift by `d` in one
    /// dimension and laws of a point it is `2 d`.
    #[test]
    fn the_squared_distance_has_no_bias() {
        let device = Device::flex();
        let mut noise = HostNoise::seeded(2);
        let mut normal = |n: usize| -> Tensor<2> { noise.normal([n, 2], &device) };
        let runs = 2000;
        let sum: f64 = (0..runs)
            .map(|_| energy_squared(&normal(4), &normal(6)))
            .sum();
        assert_abs_diff_eq!(sum / f64::from(runs), 0.0, epsilon = 0.03);
        let points = Tensor::<2>::zeros([3, 1], &device);
        assert_abs_diff_eq!(
            energy_squared(&points, &(points.clone() + 3.0)),
            6.0,
            epsilon = 1e-9
        );
    }
}
