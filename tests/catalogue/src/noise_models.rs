//! Noise models.

use crate::ok;
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::ValueRange;
use tweedie_inverse::noise::{
    AnyNoise, ApproximatePoissonNoise, GammaNoise, GaussianNoise, InRange, LaplaceNoise,
    LogPoissonNoise, NoiseModel, PoissonGaussianNoise, PoissonNoise, QuantisationNoise,
    RicianNoise, SaltAndPepper, UniformNoise,
};

/// A noise model with a mean, and reference values at that mean.
#[derive(Clone, Debug)]
pub struct NoiseCase {
    /// The model.
    pub noise: AnyNoise,
    /// The noiseless value.
    pub mean: f64,
    /// A possible measurement away from the mean.
    pub y: f64,
    /// The exact moments and support; `None` if the density cannot be integrated on a grid.
    pub exact: Option<Exact>,
}

/// The distribution of a measurement.
#[derive(Clone, Debug)]
pub struct Exact {
    /// Mean and variance of `y`, in closed form.
    pub moments: (f64, f64),
    /// Values of `y`, each with its quadrature weight: the grid step for densities, 1 for counts.
    pub support: Vec<(f64, f64)>,
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

fn exact(
    noise: impl Into<AnyNoise>,
    mean: f64,
    moments: (f64, f64),
    support: Vec<(f64, f64)>,
) -> NoiseCase {
    NoiseCase {
        noise: noise.into(),
        mean,
        y: support[support.len() * 3 / 7].0,
        exact: Some(Exact { moments, support }),
    }
}

/// A model of which only the density is known.
fn of_density(noise: impl Into<AnyNoise>, mean: f64, y: f64) -> NoiseCase {
    NoiseCase {
        noise: noise.into(),
        mean,
        y,
        exact: None,
    }
}

/// Every noise model.
#[must_use]
pub fn noise_models() -> Vec<NoiseCase> {
    let poisson = ok(PoissonNoise::new(0.05));
    let rician_mean = |m: f64, s: f64| {
        // σ √(π/2) L_{1/2}(−m²/2σ²), computed by integrating the density on a grid.
        let values = grid(0.0, m + 12.0 * s);
        let noise = ok(RicianNoise::new(s));
        values
            .iter()
            .map(|&(y, dy)| y * density(noise, y, m) * dy)
            .sum::<f64>()
    };
    let mean = rician_mean(0.4, 0.3);
    vec![
        exact(
            ok(GaussianNoise::new(0.3)),
            0.2,
            (0.2, 0.09),
            grid(-3.0, 3.0),
        ),
        exact(poisson, 0.7, (0.7, 0.035), counts(0.05, 100)),
        exact(
            ok(PoissonGaussianNoise::new(0.1, 0.05)),
            0.5,
            (0.5, 0.0525),
            grid(-0.8, 4.0),
        ),
        exact(
            ok(UniformNoise::new(0.2)),
            -0.1,
            (-0.1, 0.04 / 3.0),
            grid(-0.5, 0.3),
        ),
        exact(
            ok(LaplaceNoise::new(0.2)),
            0.3,
            (0.3, 0.08),
            grid(-5.0, 5.6),
        ),
        exact(ok(GammaNoise::new(5.0)), 0.6, (0.6, 0.072), grid(0.0, 6.0)),
        exact(
            ok(RicianNoise::new(0.3)),
            0.4,
            (mean, 0.4 * 0.4 + 2.0 * 0.09 - mean * mean),
            grid(0.0, 4.0),
        ),
        exact(
            ok(QuantisationNoise::new(0.1, 0.15)),
            0.33,
            // Rounding after wide noise adds the variance of a uniform distribution, up to
            // e^{−2π²σ²/Δ²}.
            (0.33, 0.0225 + 0.01 / 12.0),
            (-20..30).map(|k| (0.1 * f64::from(k), 1.0)).collect(),
        ),
        exact(
            ok(LogPoissonNoise::new(6.0, 1.0)),
            0.5,
            log_poisson_moments(6.0, 0.5),
            (1..60).map(|k| (-(f64::from(k) / 6.0).ln(), 1.0)).collect(),
        ),
        exact(
            AnyNoise::InRange(Box::new(InRange::new(
                poisson.into(),
                ValueRange::Unit,
                ValueRange::Signed,
            ))),
            0.4,
            (0.4, 0.035 * 4.0),
            counts(0.1, 100)
                .iter()
                .map(|(y, dy)| (y - 1.0, *dy))
                .collect(),
        ),
        of_density(
            ok(SaltAndPepper::new(0.2, 0.1, 0.01, ValueRange::Unit)),
            0.5,
            0.49,
        ),
        of_density(ApproximatePoissonNoise::of(poisson), 0.5, 0.6),
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

fn density(noise: RicianNoise, y: f64, mean: f64) -> f64 {
    let value = |v: f64| Tensor::<1>::from_data([v], (&Device::flex(), DType::F64));
    let log = NoiseModel::log_likelihood(&noise, value(y), value(mean));
    log.into_scalar::<f64>().exp()
}
