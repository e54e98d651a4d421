//! Noise models: draws agree with densities, and gradients with finite differences.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

mod after;
mod density;
mod draws;
mod hole;

use burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie_core::ValueRange;
use tweedie_inverse::noise::{
    AnyNoise, GammaNoise, GaussianNoise, InRange, LaplaceNoise, LogPoissonNoise, NoiseModel,
    PoissonGaussianNoise, PoissonNoise, QuantisationNoise, RicianNoise, UniformNoise,
};
use tweedie_inverse::operator::OperatorError;

/// A noise model with a mean, exact moments and support.
struct Case {
    noise: AnyNoise,
    mean: f64,
    /// Mean and variance of `y`, in closed form.
    moments: (f64, f64),
    /// Values of `y`, each with its quadrature weight: the grid step for densities, 1 for counts.
    support: Vec<(f64, f64)>,
}

fn ok<T>(built: Result<T, OperatorError>) -> T {
    built.expect("a noise")
}

/// A uniform midpoint grid for densities.
fn grid(from: f64, to: f64) -> Vec<(f64, f64)> {
    let (count, width) = (20_000, to - from);
    let step = width / f64::from(count);
    (0..count)
        .map(|i| (from + step * (f64::from(i) + 0.5), step))
        .collect()
}

/// Multiples of a step.
fn counts(step: f64, most: i32) -> Vec<(f64, f64)> {
    (0..most).map(|k| (step * f64::from(k), 1.0)).collect()
}

/// Every noise model.
fn laws() -> Vec<Case> {
    let poisson = ok(PoissonNoise::new(0.05));
    let rician_mean = |m: f64, s: f64| {
        // σ √(π/2) L_{1/2}(−m²/2σ²), computed by integrating the density on a grid.
        let values = grid(0.0, m + 12.0 * s);
        let noise = ok(RicianNoise::new(s));
        values
            .iter()
            .map(|&(y, dy)| y * density(&noise.into(), y, m) * dy)
            .sum::<f64>()
    };
    let mean = rician_mean(0.4, 0.3);
    vec![
        Case {
            noise: ok(GaussianNoise::new(0.3)).into(),
            mean: 0.2,
            moments: (0.2, 0.09),
            support: grid(-3.0, 3.0),
        },
        Case {
            noise: poisson.into(),
            mean: 0.7,
            moments: (0.7, 0.035),
            support: counts(0.05, 100),
        },
        Case {
            noise: ok(PoissonGaussianNoise::new(0.1, 0.05)).into(),
            mean: 0.5,
            moments: (0.5, 0.0525),
            support: grid(-0.8, 4.0),
        },
        Case {
            noise: ok(UniformNoise::new(0.2)).into(),
            mean: -0.1,
            moments: (-0.1, 0.04 / 3.0),
            support: grid(-0.5, 0.3),
        },
        Case {
            noise: ok(LaplaceNoise::new(0.2)).into(),
            mean: 0.3,
            moments: (0.3, 0.08),
            support: grid(-5.0, 5.6),
        },
        Case {
            noise: ok(GammaNoise::new(5.0)).into(),
            mean: 0.6,
            moments: (0.6, 0.072),
            support: grid(0.0, 6.0),
        },
        Case {
            noise: ok(RicianNoise::new(0.3)).into(),
            mean: 0.4,
            moments: (mean, 0.4 * 0.4 + 2.0 * 0.09 - mean * mean),
            support: grid(0.0, 4.0),
        },
        Case {
            noise: ok(QuantisationNoise::new(0.1, 0.15)).into(),
            mean: 0.33,
            // Rounding after wide noise adds the variance of a uniform distribution, up to
            // e^{−2π²σ²/Δ²}.
            moments: (0.33, 0.0225 + 0.01 / 12.0),
            support: (-20..30).map(|k| (0.1 * f64::from(k), 1.0)).collect(),
        },
        Case {
            noise: ok(LogPoissonNoise::new(6.0, 1.0)).into(),
            mean: 0.5,
            moments: log_poisson_moments(6.0, 0.5),
            // Logarithms of counts from 1 on; 1 includes a count of 0.
            support: (1..60).map(|k| (-(f64::from(k) / 6.0).ln(), 1.0)).collect(),
        },
        Case {
            noise: AnyNoise::InRange(Box::new(InRange::new(
                poisson.into(),
                ValueRange::Unit,
                ValueRange::Signed,
            ))),
            mean: 0.4,
            moments: (0.4, 0.035 * 4.0),
            support: counts(0.1, 100)
                .iter()
                .map(|(y, dy)| (y - 1.0, *dy))
                .collect(),
        },
    ]
}

/// Mean and variance of `−ln(max(k, 1)/n)` for `k ~ Poisson(n e^{−mean})`, by summation.
fn log_poisson_moments(n: f64, mean: f64) -> (f64, f64) {
    let rate = n * (-mean).exp();
    let mut probability = (-rate).exp();
    let (mut first, mut second) = (0.0, 0.0);
    for k in 0..200 {
        let y = -(f64::from(k.max(1)) / n).ln();
        first += probability * y;
        second += probability * y * y;
        probability *= rate / f64::from(k + 1);
    }
    (first, second - first * first)
}

fn row(values: &[f64]) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [1, values.len()]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn log_density(noise: &AnyNoise, y: f64, mean: f64) -> f64 {
    noise
        .log_likelihood(row(&[y]), row(&[mean]))
        .into_scalar::<f64>()
}

fn density(noise: &AnyNoise, y: f64, mean: f64) -> f64 {
    log_density(noise, y, mean).exp()
}
