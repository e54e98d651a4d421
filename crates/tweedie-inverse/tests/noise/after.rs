//! Count noise after an operator that uses FFTs, whose rounding may give small negative values.

use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::noise_models;
use tweedie_core::HostNoise;
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::{AnyNoise, NoiseModel};
use tweedie_inverse::operator::{Blur, Padding, PointSpread};

/// The models that refuse a negative mean.
fn counts() -> Vec<AnyNoise> {
    let negative = Tensor::<2>::full([1, 1], -0.1, &Device::flex());
    let all = noise_models().into_iter().map(|case| case.noise);
    let all: Vec<_> = all.filter(|it| it.check(&negative).is_err()).collect();
    assert!(all.len() > 1, "models of counts refuse negative values");
    all
}

/// A bright square on a black background.
fn square(dtype: DType) -> Tensor<4> {
    let x = Tensor::<4>::zeros([1, 1, 64, 64], (&Device::flex(), dtype));
    let one = Tensor::ones([1, 1, 20, 20], (&Device::flex(), dtype));
    x.slice_assign([0..1, 0..1, 22..42, 22..42], one)
}

#[test]
fn a_blurred_square_is_counted() {
    let paddings = [
        Padding::Reflect,
        Padding::Symmetric,
        Padding::Replicate,
        Padding::Zero,
        Padding::Circular,
    ];
    for dtype in [DType::F32, DType::F64] {
        for padding in paddings {
            for noise in counts() {
                let (name, mut random) = (noise.kind(), HostNoise::seeded(1));
                let blur = Blur::new(PointSpread::gaussian(1.6).expect("a kernel"), padding);
                let measured = Measurement::simulate(blur, noise, square(dtype), &mut random);
                let measured =
                    measured.unwrap_or_else(|error| panic!("{name}, {padding:?}: {error}"));
                let y: Vec<f64> = measured.y.into_data().iter::<f64>().collect();
                assert!(y.iter().all(|y| y.is_finite()), "{name}, {padding:?}");
            }
        }
    }
}

#[test]
fn a_real_negative_is_none() {
    for noise in counts() {
        let dark = square(DType::F32) - 1e-3;
        let blur = Blur::new(
            PointSpread::gaussian(1.6).expect("a kernel"),
            Padding::Reflect,
        );
        let measured = Measurement::simulate(blur, noise, dark, &mut HostNoise::seeded(1));
        let error = measured.err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("at least 0")));
    }
}
