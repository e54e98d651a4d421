//! Densities: sums, moments, gradients, and values far from the mean.

use super::{log_density, ok, row};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::{Exact, NoiseCase, noise_models};
use tweedie_core::{HostNoise, ValueRange, vjp};
use tweedie_inverse::noise::{
    AnyNoise, LogPoissonNoise, NoiseModel, PoissonGaussianNoise, PoissonNoise, QuantisationNoise,
    RicianNoise, SaltAndPepper, UniformNoise,
};

#[test]
fn densities_sum_to_one_and_have_the_moments_of_the_draws() {
    for case in noise_models() {
        let NoiseCase { noise, mean, .. } = case;
        let Some(Exact { moments, support }) = case.exact else {
            continue;
        };
        let name = noise.kind();
        // One row per value, so that each has its own density.
        let column = |values: &[f64]| row(values).reshape([values.len(), 1]);
        let ys: Vec<f64> = support.iter().map(|(y, _)| *y).collect();
        let p = noise
            .log_likelihood(column(&ys), column(&vec![mean; ys.len()]))
            .exp();
        let p: Vec<f64> = p.into_data().iter::<f64>().collect();
        let sum = |f: &dyn Fn(f64) -> f64| -> f64 {
            p.iter()
                .zip(&support)
                .map(|(p, (y, dy))| p * f(*y) * dy)
                .sum()
        };
        let total = sum(&|_| 1.0);
        assert!(abs_diff_eq!(total, 1.0, epsilon = 2e-4), "{name}: {total}");
        let first = sum(&|y| y);
        let second = sum(&|y| (y - first).powi(2));
        assert!(
            abs_diff_eq!(first, moments.0, epsilon = 2e-4),
            "{name}: mean {first}"
        );
        assert!(
            abs_diff_eq!(second, moments.1, epsilon = 3e-4),
            "{name}: variance {second}"
        );
        let fourth = sum(&|y| (y - first).powi(4));
        // Moments of draws agree within five standard errors.
        let n = 200_000;
        let clean = Tensor::<2>::full([1, n], mean, (&Device::flex(), DType::F64));
        let drawn = noise.corrupt(clean, &mut HostNoise::seeded(3));
        let (variance, average) = drawn.var_mean(1);
        let (variance, average) = (variance.into_scalar::<f64>(), average.into_scalar::<f64>());
        let n = n as f64;
        let error = 5.0 * (moments.1 / n).sqrt();
        assert!(
            abs_diff_eq!(average, moments.0, epsilon = error),
            "{name}: mean of draws {average}"
        );
        let error = 5.0 * ((fourth - second * second) / n).sqrt();
        assert!(
            abs_diff_eq!(variance, moments.1, epsilon = error + 1e-9),
            "{name}: variance of draws {variance}"
        );
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let all = noise_models()
        .into_iter()
        .map(|it| (it.noise, it.y, it.mean));
    let far = [
        (ok(LogPoissonNoise::new(200.0, 0.5)).into(), 0.6, 0.9),
        (ok(RicianNoise::new(0.02)).into(), 0.7, 0.9),
        (ok(QuantisationNoise::new(0.1, 0.01)).into(), 0.3, 0.9),
        (ok(PoissonGaussianNoise::new(0.01, 0.1)).into(), 0.4, 0.6),
        (ok(PoissonNoise::new(0.05)).into(), 0.35, -0.2),
    ];
    for (noise, y, mean) in all.chain(far) {
        let name = noise.kind();
        let (value, pullback) = vjp(row(&[mean]), |mean| noise.log_likelihood(row(&[y]), mean));
        let gradient = pullback.apply(value.ones_like()).into_scalar::<f64>();
        let step = 1e-6;
        let difference = (log_density(&noise, y, mean + step)
            - log_density(&noise, y, mean - step))
            / (2.0 * step);
        assert!(
            abs_diff_eq!(
                gradient,
                difference,
                epsilon = 1e-5 * difference.abs().max(1.0)
            ),
            "{name} at {y} around {mean}: {gradient} and {difference}"
        );
        assert!(gradient.is_finite(), "{name}");
    }
}

#[test]
fn what_lies_outside_is_minus_infinity() {
    let noise = ok(UniformNoise::new(0.2)).into();
    assert_eq!(log_density(&noise, 0.5, 0.2), f64::NEG_INFINITY);
    assert_abs_diff_eq!(
        log_density(&noise, 0.5, 0.35),
        -0.4_f64.ln(),
        epsilon = 1e-12
    );
}

/// `ln Σ_k Poisson(k; mean/gain) N(y; gain k, σ²)`, over every count.
fn photons_and_electronics(y: f64, mean: f64, gain: f64, sigma: f64) -> f64 {
    let (rate, mut factorial) = (mean / gain, 0.0);
    let mut logs = Vec::new();
    for k in 0..5000 {
        let k = f64::from(k);
        if k > 0.0 {
            factorial += k.ln();
        }
        let electronics = -0.5 * ((y - gain * k) / sigma).powi(2);
        logs.push(k * rate.ln() - rate - factorial + electronics);
    }
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
    largest + sum.ln() - 0.5 * (std::f64::consts::TAU * sigma * sigma).ln()
}

#[test]
fn photons_with_electronics_are_exact_however_far_the_mean_is() {
    for (gain, sigma) in [(0.001, 0.05), (0.01, 0.05), (0.1, 0.05), (0.05, 0.001)] {
        let noise = ok(PoissonGaussianNoise::new(gain, sigma));
        for (y, mean) in [
            (0.9, 0.1),
            (0.1, 0.9),
            (0.5, 0.5),
            (-0.6, 0.4),
            (0.3, 0.001),
            (1.2, 1.0),
        ] {
            let exact = photons_and_electronics(y, mean, gain, sigma);
            let found = log_density(&noise.into(), y, mean);
            assert!(
                abs_diff_eq!(found, exact, epsilon = 1e-7 * exact.abs().max(1.0)),
                "gain {gain}, σ {sigma}: {found} instead of {exact} at {y} around {mean}"
            );
        }
    }
}

#[test]
fn single_precision_is_precise_where_it_could_cancel() {
    let noise: AnyNoise = ok(RicianNoise::new(0.01)).into();
    let exact = log_density(&noise, 0.8, 0.79);
    let single = |value: f32| Tensor::<2>::from_floats([[value]], &Device::flex());
    let found = noise
        .log_likelihood(single(0.8), single(0.79))
        .into_scalar::<f64>();
    assert!(
        abs_diff_eq!(found, exact, epsilon = 1e-4),
        "{found} instead of {exact}"
    );
    let noise: AnyNoise = ok(UniformNoise::new(0.2)).into();
    let found = noise
        .log_likelihood(single(0.5), single(f32::NAN))
        .into_scalar::<f64>();
    assert_eq!(found, f64::NEG_INFINITY);
    // With pepper alone, a white pixel is not an impulse.
    let noise: AnyNoise = ok(SaltAndPepper::new(0.0, 0.1, 0.1, ValueRange::Unit)).into();
    let found = noise
        .log_likelihood(single(1.0), single(0.95))
        .into_scalar::<f64>();
    assert!(found.is_finite());
}
