//! Wasserstein distances: `W_p(P, Q)^p = ∫₀¹ |F_P⁻¹(u) − F_Q⁻¹(u)|^p du` on the line, and its
//! average over directions in space.
//!
//! # Reference
//! Peyré & Cuturi 2019, "Computational Optimal Transport", remark 2.30, arXiv:1803.00567; Bonneel
//! et al. 2015, "Sliced and Radon Wasserstein Barycenters of Measures".

use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// `W_p` between the empirical laws of two sets of numbers, of any sizes.
///
/// 0 if either is empty.
#[must_use]
pub fn wasserstein_1d(a: &[f64], b: &[f64], p: f64) -> f64 {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_unstable_by(f64::total_cmp);
        values
    };
    let (a, b) = (sorted(a), sorted(b));
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j, mut u, mut sum) = (0, 0, 0.0, 0.0);
    // Both quantile functions are constant between the multiples of 1/n and 1/m.
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

/// The sliced `W_p` between two clouds `[count, dim]`: `W_p^p` of their projections, averaged over
/// `directions` drawn from `seed`.
///
/// # Panics
/// If the dimensions differ.
#[must_use]
pub fn sliced_wasserstein(
    a: &Tensor<2>,
    b: &Tensor<2>,
    p: f64,
    directions: usize,
    seed: u64,
) -> f64 {
    let dim = a.dims()[1];
    assert_eq!(dim, b.dims()[1], "clouds of one dimension");
    let (a, b) = (points(a), points(b));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sum = 0.0;
    for _ in 0..directions {
        let direction: Vec<f64> = (0..dim).map(|_| StandardNormal.sample(&mut rng)).collect();
        let norm = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
        let project = |points: &[f64]| -> Vec<f64> {
            let dot = |point: &[f64]| {
                point
                    .iter()
                    .zip(&direction)
                    .map(|(x, d)| x * d)
                    .sum::<f64>()
            };
            points.chunks(dim).map(|point| dot(point) / norm).collect()
        };
        sum += wasserstein_1d(&project(&a), &project(&b), p).powf(p);
    }
    (sum / directions as f64).powf(1.0 / p)
}

/// The values of a cloud on the host.
pub(crate) fn points(x: &Tensor<2>) -> Vec<f64> {
    x.to_data().iter::<f64>().collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn sets_of_different_sizes_are_compared_by_their_quantiles() {
        // Half of {0} moves to 1: W₁ = ½, W₂ = √½.
        assert_eq!(wasserstein_1d(&[0.0], &[1.0, 0.0], 1.0), 0.5);
        assert!((wasserstein_1d(&[0.0], &[1.0, 0.0], 2.0) - 0.5_f64.sqrt()).abs() < 1e-12);
        assert!((wasserstein_1d(&[0.0, 3.0], &[0.0, 3.0, 3.0], 1.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_shift_costs_its_length_over_the_root_of_the_dimension() {
        let device = Device::flex();
        let a = Tensor::<2>::from_floats([[0.0, 0.0, 0.0], [1.0, -1.0, 2.0]], &device);
        let b = a.clone() + Tensor::from_floats([[3.0, 0.0, 4.0]], &device);
        // E⟨shift, u⟩² = |shift|²/dim.
        let distance = sliced_wasserstein(&a, &b, 2.0, 20_000, 0);
        assert!((distance - 5.0 / 3.0_f64.sqrt()).abs() < 0.03, "{distance}");
    }
}
