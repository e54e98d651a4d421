//! Draws: batches, seeds, ranges, levels and invalid input.

use super::{ok, row};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::noise_models;
use tweedie_core::{HostNoise, ValueRange, vjp};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::{
    AnyNoise, GammaNoise, GaussianNoise, InRange, LaplaceNoise, LogPoissonNoise, NoiseModel,
    PoissonGaussianNoise, PoissonNoise, QuantisationNoise, RicianNoise, SaltAndPepper,
    UniformNoise,
};

#[test]
fn samples_of_a_batch_do_not_touch_and_a_seed_repeats() {
    let all: Vec<AnyNoise> = noise_models().into_iter().map(|case| case.noise).collect();
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
        // One measurement broadcasts over a batch.
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
    let noise = ok(SaltAndPepper::new(0.2, 0.1, 0.01, ValueRange::Unit));
    let clean = Tensor::<2>::full([1, 100_000], 0.5, (&Device::flex(), DType::F64));
    let y = noise.corrupt(clean, &mut HostNoise::seeded(1));
    let share = |value: f64| {
        let hits = y.clone().equal_elem(value).float().mean();
        hits.into_scalar::<f64>()
    };
    assert_abs_diff_eq!(share(1.0), 0.2, epsilon = 5.0 * (0.16_f64 / 1e5).sqrt());
    assert_abs_diff_eq!(share(0.0), 0.1, epsilon = 5.0 * (0.09_f64 / 1e5).sqrt());
    let (value, pullback) = vjp(row(&[0.3, 0.3, 0.3]), |mean| {
        noise.log_likelihood(row(&[1.0, 0.0, 0.29]), mean)
    });
    let expected = 0.2_f64.ln() + 0.1_f64.ln() + 0.7_f64.ln()
        - 0.5
        - 0.5 * (std::f64::consts::TAU * 1e-4).ln();
    assert_abs_diff_eq!(value.clone().into_scalar::<f64>(), expected, epsilon = 1e-9);
    let gradient: Vec<f64> = pullback
        .apply(value.ones_like())
        .into_data()
        .iter::<f64>()
        .collect();
    assert_eq!(gradient[..2], [0.0, 0.0]);
    assert_abs_diff_eq!(gradient[2], -100.0, epsilon = 1e-6);
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
        assert!(SaltAndPepper::new(0.1, 0.1, value, ValueRange::Unit).is_err());
    }
    assert!(SaltAndPepper::new(0.7, 0.7, 0.1, ValueRange::Unit).is_err());
    assert!(QuantisationNoise::bits(0, ValueRange::Unit, 0.1).is_err());
    // A negative mean is rejected before drawing.
    let dark = Tensor::<4>::full([1, 1, 2, 2], -0.5, &Device::flex());
    let photons = ok(PoissonNoise::new(0.1));
    let made = Measurement::simulate(
        tweedie_inverse::operator::Identity,
        photons,
        dark.clone(),
        &mut HostNoise::seeded(1),
    );
    let error = made.expect_err("an error");
    assert_eq!(
        error.to_string(),
        "Poisson noise takes values of at least 0, got -0.5"
    );
    // A negative count is rejected too.
    let made = Measurement::new(tweedie_inverse::operator::Identity, photons, dark.clone());
    let error = made.check([1, 1, 2, 2]).expect_err("an error");
    assert_eq!(
        error.to_string(),
        "a count of photons takes values of at least 0, got -0.5"
    );
    // In `[−1, 1]` the same image is a dark grey, which is valid.
    let shifted = InRange::new(photons, ValueRange::Unit, ValueRange::Signed);
    let made = Measurement::simulate(
        tweedie_inverse::operator::Identity,
        shifted,
        dark,
        &mut HostNoise::seeded(1),
    );
    assert!(made.is_ok());
}

#[test]
fn converting_the_range_converts_what_is_stated_in_it() {
    let unit = ok(GaussianNoise::new(0.05));
    let signed = unit.converted(ValueRange::Unit, ValueRange::Signed);
    let (y, mean) = (row(&[0.3, 0.8]), row(&[0.35, 0.7]));
    let convert = |x: Tensor<2>| ValueRange::Unit.convert(ValueRange::Signed, x);
    let stated = NoiseModel::log_likelihood(&unit, y.clone(), mean.clone()).into_scalar::<f64>();
    let found = NoiseModel::log_likelihood(&signed, convert(y), convert(mean)).into_scalar::<f64>();
    // Doubling the width of a variable halves its density in each of the two dimensions.
    assert_abs_diff_eq!(found, (stated - 2.0 * 2.0_f64.ln()), epsilon = 1e-12);
}

#[test]
fn a_converter_of_some_bits_has_that_many_levels() {
    for range in [ValueRange::Unit, ValueRange::Signed] {
        for bits in [1, 2, 8] {
            let (low, high) = range.bounds();
            let step = (high - low) / (f64::from(bits).exp2() - 1.0);
            let noise = ok(QuantisationNoise::bits(bits, range, step / 50.0));
            // The grid includes both ends of the range.
            for level in [low, high] {
                let y = noise
                    .corrupt(row(&[level]), &mut HostNoise::seeded(1))
                    .into_scalar::<f64>();
                let cell = (y - low) / step;
                assert!(
                    abs_diff_eq!(cell, cell.round(), epsilon = 1e-9),
                    "{bits} bits: {y} in {range:?}"
                );
            }
        }
    }
}
