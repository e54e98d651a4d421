//! A mask's hole has no noise, and whatever stands there counts for nothing.

use super::ok;
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::{HostNoise, Range};
use tweedie_inverse::{
    AnyNoise, GammaNoise, GaussianNoise, LaplaceNoise, Likelihood, Mask, Measurement, Operator,
    PoissonNoise, ResidualNorm, RicianNoise, SaltAndPepper, UniformNoise,
};

fn grey() -> Tensor<4> {
    Tensor::full([2, 1, 8, 8], 0.5, (&Device::flex(), DType::F64))
}

fn mask() -> Mask<4> {
    ok(Mask::missing_box([8, 8], [2, 3], [4, 2]))
}

#[test]
fn every_law_leaves_it_empty() {
    let laws: [AnyNoise; 7] = [
        ok(GaussianNoise::new(0.1)).into(),
        ok(LaplaceNoise::new(0.1)).into(),
        ok(UniformNoise::new(0.1)).into(),
        ok(SaltAndPepper::new(0.5, 0.5, 0.1, Range::Unit)).into(),
        ok(PoissonNoise::new(0.01)).into(),
        ok(GammaNoise::new(10.0)).into(),
        ok(RicianNoise::new(0.1)).into(),
    ];
    for law in laws {
        let name = law.kind();
        let measured = Measurement::simulate(mask(), law, grey(), &mut HostNoise::seeded(1));
        let measured = measured.unwrap_or_else(|error| panic!("{name}: {error}"));
        let hole = measured.y.clone().slice([0..2, 0..1, 2..6, 3..5]);
        assert_eq!(hole.abs().max().into_scalar::<f64>(), 0.0, "{name}");
        ok(measured.check([2, 1, 8, 8]));
        let score = measured.log_likelihood(grey());
        assert!(score.sum().into_scalar::<f64>().is_finite(), "{name}");
    }
}

#[test]
fn what_stands_there_changes_no_score() {
    let junk = |value: f64| {
        let box_of = Tensor::full([2, 1, 4, 2], value, (&Device::flex(), DType::F64));
        mask()
            .apply(grey())
            .slice_assign([0..2, 0..1, 2..6, 3..5], box_of)
    };
    let x = grey() * 0.9;
    let norm = |y: Tensor<4>| -> Vec<f64> {
        let score = ResidualNorm::new(mask(), y).log_likelihood(x.clone());
        score.into_data().iter::<f64>().collect()
    };
    // 56 pixels are seen, each 0.05 away.
    for found in [norm(junk(0.0)), norm(junk(7.0))].concat() {
        assert!((found + 0.05 * 56.0_f64.sqrt()).abs() < 1e-12, "{found}");
    }
    // A pixel that is missing may be no number.
    let measured = Measurement::new(mask(), ok(GaussianNoise::new(0.1)), junk(f64::NAN));
    ok(measured.check([2, 1, 8, 8]));
}
