//! Count noise after an operator that uses FFTs, whose rounding may give small negative values.

use super::ok;
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::HostNoise;
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::{AnyNoise, GammaNoise, PoissonGaussianNoise, PoissonNoise};
use tweedie_inverse::operator::{Blur, Padding, PointSpread};

fn counts() -> [AnyNoise; 4] {
    [
        ok(PoissonNoise::new(0.01)).into(),
        ok(PoissonGaussianNoise::new(0.01, 0.02)).into(),
        ok(GammaNoise::new(10.0)).into(),
        ok(PoissonNoise::new(0.01)).gaussian_approximation().into(),
    ]
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
