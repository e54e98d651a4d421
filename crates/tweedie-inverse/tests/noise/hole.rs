//! The hole of a mask: it has no noise, and its values do not affect the likelihood.

use super::ok;
use approx::assert_abs_diff_eq;
use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::noise_models;
use tweedie_core::HostNoise;
use tweedie_inverse::measurement::{Likelihood, Measurement};
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::{
    AnyLinear, Basis, Blur, Identity, Linear, Mask, MultiCoil, Operator, Padding, PointSpread,
    Sampled, Stack,
};
use tweedie_inverse::posterior::ResidualNorm;

fn grey() -> Tensor<4> {
    Tensor::full([2, 1, 8, 8], 0.5, (&Device::flex(), DType::F64))
}

fn mask() -> Mask<4> {
    ok(Mask::missing_box([8, 8], [2, 3], [4, 2]))
}

#[test]
fn every_law_leaves_it_empty() {
    let laws = noise_models().into_iter().map(|case| case.noise);
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
        let m = Measurement::new(mask(), ok(GaussianNoise::new(0.1)), y);
        let score = ResidualNorm::new(m).log_likelihood(x.clone());
        score.into_data().iter::<f64>().collect()
    };
    // 56 pixels of each image are measured, each off by 0.05.
    for found in [norm(junk(0.0)), norm(junk(7.0))].concat() {
        assert_abs_diff_eq!(found, -0.05 * 56.0_f64.sqrt(), epsilon = 1e-12);
    }
    // A missing pixel may be NaN.
    let measured = Measurement::new(mask(), ok(GaussianNoise::new(0.1)), junk(f64::NAN));
    ok(measured.check([2, 1, 8, 8]));
}

/// Every operator with a mask, and every wrapper of such an operator, on a measurement of ones.
#[test]
fn operators_of_a_mask_pass_it_on() {
    let (size, device) = ([8, 8], Device::flex());
    let scan = || Mask::of_pixels(size, |_, column| column != 3);
    let masked = || AnyLinear::from(mask());
    let blur = || Blur::new(ok(PointSpread::gaussian(1.0)), Padding::Reflect);
    let pair = vec![masked(), AnyLinear::from(Identity)];
    let operators: [(AnyLinear, [usize; 4]); 6] = [
        (masked(), [2, 1, 8, 8]),
        (
            ok(Sampled::new(Basis::Fourier, scan(), size)).into(),
            [2, 2, 8, 8],
        ),
        (ok(MultiCoil::ring(3, scan(), size)).into(), [2, 6, 8, 8]),
        (blur().then(mask()).into(), [2, 1, 8, 8]),
        (mask().scaled(2.0).into(), [2, 1, 8, 8]),
        (ok(Stack::new(pair, [1, 8, 8])).into(), [2, 1, 1, 128]),
    ];
    for (operator, shape) in operators {
        let name = operator.kind();
        let y = Tensor::<4>::ones(shape, &device);
        let lost = |y: &Tensor<4>| y.clone().equal_elem(0.0).int().sum().into_scalar::<i64>();
        // Eight pixels of each image are lost, or one column of each channel.
        let expected = match name {
            "Sampled" => 2 * 2 * 8,
            "MultiCoil" => 2 * 6 * 8,
            _ => 2 * 8,
        };
        let seen = operator.observed(y.clone());
        assert_eq!(lost(&seen), expected, "{name}");
        let boxed: Box<dyn Linear<4>> = Box::new(operator);
        assert_eq!(lost(&boxed.observed(y)), expected, "{name} by a pointer");
    }
}

#[test]
fn a_measurement_that_masks_share_becomes_one_for_each() {
    let kept = Tensor::<4>::from_floats([[[[1.0, 0.0]]], [[[0.0, 1.0]]]], &Device::flex());
    let masks = Mask::new(kept.equal_elem(1.0));
    let y = masks.observed(Tensor::ones([1, 1, 1, 2], &Device::flex()));
    let y: Vec<f32> = y.into_data().iter().collect();
    assert_eq!(y, [1.0, 0.0, 0.0, 1.0]);
}
