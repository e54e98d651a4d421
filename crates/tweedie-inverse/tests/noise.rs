//! Noise models: draws have their density, densities their gradient.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie_core::{HostNoise, Range, vjp};
use tweedie_inverse::{
    AnyNoise, GammaNoise, GaussianNoise, InRange, LaplaceNoise, LogPoissonNoise, Measurement,
    NoiseModel, OperatorError, PoissonGaussianNoise, PoissonNoise, QuantisationNoise, RicianNoise,
    SaltAndPepper, UniformNoise,
};

/// A law, a mean, and its exact moments and support.
struct Case {
    noise: AnyNoise,
    mean: f64,
    /// Mean and variance of `y`, in closed form.
    moments: (f64, f64),
    /// Values that `y` takes, with the distance that a density is to be multiplied by: 1 for counts.
    support: Vec<(f64, f64)>,
}

fn ok<T>(built: Result<T, OperatorError>) -> T {
    built.expect("a noise")
}

/// An even grid for densities.
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

/// Every law.
fn laws() -> Vec<Case> {
    let poisson = ok(PoissonNoise::new(0.05));
    let rician_mean = |m: f64, s: f64| {
        // σ √(π/2) L_{1/2}(−m²/2σ²), by its density on a grid.
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
            // Rounding after wide noise adds the variance of a uniform law, up to e^{−2π²σ²/Δ²}.
            moments: (0.33, 0.0225 + 0.01 / 12.0),
            support: (-20..30).map(|k| (0.1 * f64::from(k), 1.0)).collect(),
        },
        Case {
            noise: ok(LogPoissonNoise::new(6.0, 1.0)).into(),
            mean: 0.5,
            moments: log_poisson_moments(6.0, 0.5),
            // The logarithms of counts from one on, one standing for none too.
            support: (1..60).map(|k| (-(f64::from(k) / 6.0).ln(), 1.0)).collect(),
        },
        Case {
            noise: AnyNoise::InRange(Box::new(InRange::new(
                poisson.into(),
                Range::Unit,
                Range::Signed,
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

/// Mean and variance of `−ln(max(k, 1)/n)` for `k ~ Poisson(n e^{−mean})`, by their sums.
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

#[test]
fn densities_sum_to_one_and_have_the_moments_of_the_draws() {
    for Case {
        noise,
        mean,
        moments,
        support,
    } in laws()
    {
        let name = noise.kind();
        // One row a value, so that each has its density.
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
        assert!((total - 1.0).abs() < 2e-4, "{name}: {total}");
        let first = sum(&|y| y);
        let second = sum(&|y| (y - first).powi(2));
        assert!((first - moments.0).abs() < 2e-4, "{name}: mean {first}");
        assert!(
            (second - moments.1).abs() < 3e-4,
            "{name}: variance {second}"
        );
        let fourth = sum(&|y| (y - first).powi(4));
        // Draws: five standard errors.
        let n = 200_000;
        let clean = Tensor::<2>::full([1, n], mean, (&Device::flex(), DType::F64));
        let drawn = noise.corrupt(clean, &mut HostNoise::seeded(3));
        let (variance, average) = drawn.var_mean(1);
        let (variance, average) = (variance.into_scalar::<f64>(), average.into_scalar::<f64>());
        let n = n as f64;
        let error = 5.0 * (moments.1 / n).sqrt();
        assert!(
            (average - moments.0).abs() < error,
            "{name}: mean of draws {average}"
        );
        let error = 5.0 * ((fourth - second * second) / n).sqrt();
        assert!(
            (variance - moments.1).abs() < error + 1e-9,
            "{name}: variance of draws {variance}"
        );
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let salted = ok(SaltAndPepper::new(0.1, 0.1, 0.2, Range::Unit)).into();
    let logarithm = ok(LogPoissonNoise::new(200.0, 0.5)).into();
    let shot = ok(PoissonNoise::new(0.05)).gaussian_approximation().into();
    let others: [(AnyNoise, f64, f64); 3] =
        [(salted, 0.3, 0.5), (logarithm, 0.6, 0.9), (shot, 0.6, 0.5)];
    let all = laws().into_iter().map(|case| {
        // A value that the law takes, off the mean.
        let middle = case.support.len() * 3 / 7;
        let y = match case.noise.kind() {
            "Uniform" => case.mean + 0.05,
            _ => case.support[middle].0,
        };
        (case.noise, y, case.mean)
    });
    let far = [
        (ok(RicianNoise::new(0.02)).into(), 0.7, 0.9),
        (ok(QuantisationNoise::new(0.1, 0.01)).into(), 0.3, 0.9),
        (ok(PoissonGaussianNoise::new(0.01, 0.1)).into(), 0.4, 0.6),
        (ok(PoissonNoise::new(0.05)).into(), 0.35, -0.2),
    ];
    for (noise, y, mean) in all.chain(others).chain(far) {
        let name = noise.kind();
        let (value, pullback) = vjp(row(&[mean]), |mean| noise.log_likelihood(row(&[y]), mean));
        let gradient = pullback.apply(value.ones_like()).into_scalar::<f64>();
        let step = 1e-6;
        let difference = (log_density(&noise, y, mean + step)
            - log_density(&noise, y, mean - step))
            / (2.0 * step);
        assert!(
            (gradient - difference).abs() <= 1e-5 * difference.abs().max(1.0),
            "{name} at {y} around {mean}: {gradient} and {difference}"
        );
        assert!(gradient.is_finite(), "{name}");
    }
}

#[test]
fn samples_of_a_batch_do_not_touch_and_a_seed_repeats() {
    let salted = ok(SaltAndPepper::new(0.2, 0.1, 0.01, Range::Unit)).into();
    let logarithm = ok(LogPoissonNoise::new(200.0, 0.5)).into();
    let shot = ok(PoissonNoise::new(0.05)).gaussian_approximation().into();
    let all: Vec<AnyNoise> = laws()
        .into_iter()
        .map(|case| case.noise)
        .chain([salted, logarithm, shot])
        .collect();
    for kind in AnyNoise::KINDS {
        assert!(
            all.iter().any(|noise| noise.kind() == *kind),
            "no law is tested on {kind}"
        );
    }
    for noise in all {
        let name = noise.kind();
        let clean = Tensor::<4>::full([3, 2, 4, 4], 0.4, &Device::flex());
        let y = noise.corrupt(clean.clone(), &mut HostNoise::seeded(1));
        let second = noise.corrupt(
            clean.clone().narrow(0, 1, 1),
            &mut HostNoise::seeded(1).starting_at(1),
        );
        assert_eq!(
            y.clone().narrow(0, 1, 1).into_data(),
            second.into_data(),
            "{name}"
        );
        let first = |y: &Tensor<4>| y.clone().narrow(0, 0, 1).into_data();
        assert_ne!(first(&y), y.clone().narrow(0, 1, 1).into_data(), "{name}");
        let other = noise.corrupt(clean.clone(), &mut HostNoise::seeded(2));
        assert_ne!(first(&y), first(&other), "{name}");
        let whole = noise.log_likelihood(y.clone(), clean.clone()).into_data();
        // One measurement is shared by a batch.
        let shared = noise.log_likelihood(y.clone().narrow(0, 0, 1), clean.clone());
        let repeated = y.clone().narrow(0, 0, 1).repeat_dim(0, 3);
        let repeated = noise.log_likelihood(repeated, clean.clone());
        assert_eq!(shared.into_data(), repeated.into_data(), "{name}");
        let parts = y.chunk(3, 0).into_iter().zip(clean.chunk(3, 0));
        let parts = parts
            .map(|(y, clean)| noise.log_likelihood(y, clean))
            .collect();
        assert_eq!(whole, Tensor::cat(parts, 0).into_data(), "{name}");
    }
}

#[test]
fn impulses_say_nothing_of_the_mean() {
    let noise = ok(SaltAndPepper::new(0.2, 0.1, 0.01, Range::Unit));
    let clean = Tensor::<2>::full([1, 100_000], 0.5, (&Device::flex(), DType::F64));
    let y = noise.corrupt(clean, &mut HostNoise::seeded(1));
    let share = |value: f64| {
        let hits = y.clone().equal_elem(value).float().mean();
        hits.into_scalar::<f64>()
    };
    assert!((share(1.0) - 0.2).abs() < 5.0 * (0.16_f64 / 1e5).sqrt());
    assert!((share(0.0) - 0.1).abs() < 5.0 * (0.09_f64 / 1e5).sqrt());
    let (value, pullback) = vjp(row(&[0.3, 0.3, 0.3]), |mean| {
        noise.log_likelihood(row(&[1.0, 0.0, 0.29]), mean)
    });
    let expected = 0.2_f64.ln() + 0.1_f64.ln() + 0.7_f64.ln()
        - 0.5
        - 0.5 * (std::f64::consts::TAU * 1e-4).ln();
    assert!((value.clone().into_scalar::<f64>() - expected).abs() < 1e-9);
    let gradient: Vec<f64> = pullback
        .apply(value.ones_like())
        .into_data()
        .iter::<f64>()
        .collect();
    assert_eq!(gradient[..2], [0.0, 0.0]);
    assert!((gradient[2] + 100.0).abs() < 1e-6);
}

#[test]
fn what_lies_outside_is_minus_infinity() {
    let noise = ok(UniformNoise::new(0.2)).into();
    assert_eq!(log_density(&noise, 0.5, 0.2), f64::NEG_INFINITY);
    assert!((log_density(&noise, 0.5, 0.35) + 0.4_f64.ln()).abs() < 1e-12);
}

#[test]
fn nonsense_is_refused() {
    for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(GaussianNoise::new(value).is_err());
        assert!(PoissonNoise::new(value).is_err());
        assert!(PoissonGaussianNoise::new(value, 1.0).is_err());
        assert!(PoissonGaussianNoise::new(1.0, value).is_err());
        assert!(UniformNoise::new(value).is_err());
        assert!(LaplaceNoise::new(value).is_err());
        assert!(GammaNoise::new(value).is_err());
        assert!(RicianNoise::new(value).is_err());
        assert!(QuantisationNoise::new(value, 1.0).is_err());
        assert!(LogPoissonNoise::new(value, 1.0).is_err());
        assert!(SaltAndPepper::new(0.1, 0.1, value, Range::Unit).is_err());
    }
    assert!(SaltAndPepper::new(0.7, 0.7, 0.1, Range::Unit).is_err());
    assert!(QuantisationNoise::bits(0, Range::Unit, 0.1).is_err());
    // A negative mean is refused before a photon is drawn.
    let dark = Tensor::<4>::full([1, 1, 2, 2], -0.5, &Device::flex());
    let photons = ok(PoissonNoise::new(0.1));
    let made = Measurement::simulate(
        tweedie_inverse::Identity,
        photons,
        dark.clone(),
        &mut HostNoise::seeded(1),
    );
    let error = made.expect_err("an error");
    assert_eq!(
        error.to_string(),
        "Poisson noise takes values of at least 0, got -0.5"
    );
    // In the range of diffusion models the same image is a dark grey.
    let shifted = InRange::new(photons, Range::Unit, Range::Signed);
    let made = Measurement::simulate(
        tweedie_inverse::Identity,
        shifted,
        dark,
        &mut HostNoise::seeded(1),
    );
    assert!(made.is_ok());
}

#[test]
fn converting_the_range_converts_what_is_stated_in_it() {
    let unit = ok(GaussianNoise::new(0.05));
    let signed = unit.converted(Range::Unit, Range::Signed);
    let (y, mean) = (row(&[0.3, 0.8]), row(&[0.35, 0.7]));
    let convert = |x: Tensor<2>| Range::Unit.convert(Range::Signed, x);
    let stated = NoiseModel::log_likelihood(&unit, y.clone(), mean.clone()).into_scalar::<f64>();
    let found = NoiseModel::log_likelihood(&signed, convert(y), convert(mean)).into_scalar::<f64>();
    // The density of a variable twice as wide is half as high, in both dimensions.
    assert!((found - (stated - 2.0 * 2.0_f64.ln())).abs() < 1e-12);
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
                (found - exact).abs() < 1e-7 * exact.abs().max(1.0),
                "gain {gain}, σ {sigma}: {found} instead of {exact} at {y} around {mean}"
            );
        }
    }
}

#[test]
fn a_converter_of_some_bits_has_that_many_levels() {
    for range in [Range::Unit, Range::Signed] {
        for bits in [1, 2, 8] {
            let (low, high) = range.bounds();
            let step = (high - low) / (f64::from(bits).exp2() - 1.0);
            let noise = ok(QuantisationNoise::bits(bits, range, step / 50.0));
            // Each level is one: the grid holds both ends.
            for level in [low, high] {
                let y = noise
                    .corrupt(row(&[level]), &mut HostNoise::seeded(1))
                    .into_scalar::<f64>();
                let cell = (y - low) / step;
                assert!(
                    (cell - cell.round()).abs() < 1e-9,
                    "{bits} bits: {y} in {range:?}"
                );
            }
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
    assert!((found - exact).abs() < 1e-4, "{found} instead of {exact}");
    let noise: AnyNoise = ok(UniformNoise::new(0.2)).into();
    let found = noise
        .log_likelihood(single(0.5), single(f32::NAN))
        .into_scalar::<f64>();
    assert_eq!(found, f64::NEG_INFINITY);
    // Pepper alone: a white pixel is no impulse.
    let noise: AnyNoise = ok(SaltAndPepper::new(0.0, 0.1, 0.1, Range::Unit)).into();
    let found = noise
        .log_likelihood(single(1.0), single(0.95))
        .into_scalar::<f64>();
    assert!(found.is_finite());
}
