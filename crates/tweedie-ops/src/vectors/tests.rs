//! The kernels against tensor operations.

use super::*;
use crate::draw;
use burn::tensor::{DType, Device};

fn far<const D: usize>(found: Tensor<D>, wanted: Tensor<D>) -> f64 {
    let off = (found.cast(DType::F64) - wanted).abs().max();
    off.into_scalar::<f64>()
}

/// A kernel gives the same as tensor operations in `f64`, also if the parameter is shared, and for
/// a gradient that is a transposed view.
#[test]
fn one_pass_is_the_formula() {
    let normal = |shape: [usize; 2]| draw::normal(shape, 0.0, 1.0, DType::F32);
    let step = AdamWStep {
        learning_rate: 0.02,
        keep: [0.9, 0.99],
        epsilon: 1e-3,
        weight_decay: 0.1,
        number: 3,
    };
    let wide = |x: &Tensor<2>| x.clone().cast(DType::F64);
    let (parameter, gradient) = (normal([70, 300]), normal([300, 70]).transpose());
    let (m, v) = (normal([70, 300]), normal([70, 300]).square());
    let before = wide(&parameter);
    let wanted = adamw(
        wide(&parameter),
        wide(&gradient),
        [wide(&m), wide(&v)],
        step,
    );
    let held = parameter.clone();
    let found = adamw(parameter, gradient.clone(), [m.clone(), v.clone()], step);
    // The error is measured against the sum of the absolute terms, so that cancellation does not
    // matter: about eight roundings of 6e-8.
    let [m_least, least] = [wide(&m), wide(&gradient)].map(|x| -x.abs());
    let (size, _) = adamw(before.clone().abs(), least, [m_least, wide(&v)], step);
    let off = (found.0.cast(DType::F64) - wanted.0) / size;
    assert!(off.abs().max().into_scalar::<f64>() < 1e-6);
    // The squares are as large as 20.
    for (found, wanted) in found.1.into_iter().zip(wanted.1) {
        assert!(far(found, wanted) < 5e-6);
    }
    assert!(far(held, before) == 0.0);
    let mixed = average(wide(&m), wide(&gradient), 0.7);
    assert!(far(average(m.clone(), gradient.clone(), 0.7), mixed) < 1e-6);
    assert!(far(scaled(m.clone(), 0.3), wide(&m) * 0.3) < 1e-6);
    let one = Tensor::<1>::ones([1], &Device::flex());
    let wanted = add_squares(one.clone().cast(DType::F64), wide(&gradient));
    let found = add_squares(one, gradient);
    assert!(far(found, wanted.clone()) < 1e-6 * wanted.into_scalar::<f64>());
}
