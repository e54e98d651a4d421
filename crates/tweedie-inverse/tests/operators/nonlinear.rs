//! Nonlinear operators: gradients, batches, closed forms.

use super::{norm, random};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Device, Tensor, TensorData};
use tweedie_catalogue::nonlinear_operators;
use tweedie_core::{ValueRange, vjp};
use tweedie_inverse::operator::{
    BlindBlur, Blur, FourierPhase, Gamma, Jpeg, Operator, Padding, PointSpread, RandomPhase,
    Saturation,
};
use tweedie_ops::Constant;

#[test]
fn gradients_are_those_of_differences() {
    for (name, a, shape) in nonlinear_operators() {
        // JPEG rounds; its straight-through gradient is tested below.
        if name.contains("JPEG") {
            continue;
        }
        let x = random(shape, 1, DType::F64) * 0.2;
        let (value, pullback) = vjp(x.clone(), |x| a.apply(x));
        let (v, u) = (
            random(value.dims(), 2, DType::F64),
            random(shape, 3, DType::F64),
        );
        let dot = |a: Tensor<4>, b: Tensor<4>| (a * b).sum().into_scalar::<f64>();
        let step = 1e-6;
        let [ahead, behind] = [step, -step].map(|step| a.apply(x.clone() + u.clone() * step));
        let difference = dot((ahead - behind) / (2.0 * step), v.clone());
        let gradient = dot(pullback.apply(v), u);
        assert!(
            abs_diff_eq!(
                gradient,
                difference,
                epsilon = 1e-5 * difference.abs().max(1.0)
            ),
            "{name}: {gradient} and {difference}"
        );
    }
}

#[test]
fn samples_of_a_batch_do_not_touch() {
    for (name, a, mut shape) in nonlinear_operators() {
        shape[0] = 3;
        let x = random(shape, 1, DType::F32) * 0.4;
        let whole = a.apply(x.clone());
        let parts = x.chunk(3, 0).into_iter().map(|x| a.apply(x)).collect();
        super::assert_together(name, a.kind(), whole, Tensor::cat(parts, 0));
    }
}

fn row(values: &[f64]) -> Tensor<4> {
    let data = TensorData::new(values.to_vec(), [1, 1, 1, values.len()]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn host(x: Tensor<4>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

#[test]
fn clip_and_gamma_are_their_curves() {
    let clip = Saturation::new(2.0, ValueRange::Signed).expect("a clip");
    assert_eq!(
        host(clip.apply(row(&[-0.9, -0.25, 0.1, 0.7]))),
        [-1.0, -0.5, 0.2, 1.0]
    );
    let gamma = Gamma::new(2.0, ValueRange::Unit).expect("a gamma");
    for (found, expected) in host(gamma.apply(row(&[0.1, 0.5, 1.0, 3.0])))
        .iter()
        .zip([0.01, 0.25, 1.0, 1.0])
    {
        assert!(abs_diff_eq!(*found, expected, epsilon = 1e-12), "{found}");
    }
}

/// The kernel beside the image blurs it as a known one does.
#[test]
fn a_blind_blur_is_that_of_its_kernel() {
    let kernel = PointSpread::motion(5, 0.7, 3).expect("a kernel");
    let x = random([2, 3, 12, 17], 1, DType::F64);
    let blind = BlindBlur::new(7).expect("a size");
    let signal = blind.signal(x.clone(), &kernel).expect("a signal");
    let found = blind.apply(signal.clone());
    let known = Blur::new(kernel, Padding::Valid).apply(x.clone());
    // The larger kernel leaves out a pixel more on each side.
    let known = known.narrow(2, 1, 6).narrow(3, 1, 11);
    let off = (found - known).abs().max().into_scalar::<f64>();
    assert_abs_diff_eq!(off, 0.0, epsilon = 1e-6);
    let off = (blind.images(signal.clone()) - x).abs().max();
    assert_abs_diff_eq!(off.into_scalar::<f64>(), 0.0, epsilon = 0.0);
    let sum = blind.kernels(signal).sum().into_scalar::<f64>();
    assert_abs_diff_eq!(sum, 2.0, epsilon = 1e-5);
    let wide = PointSpread::uniform([9, 9]).expect("a kernel");
    let refused = blind.signal(random([1, 1, 12, 12], 1, DType::F64), &wide);
    assert!(refused.is_err(), "a kernel larger than its corner");
}

#[test]
fn phase_is_lost_and_magnitude_kept() {
    // Rotating an image by 180° does not change |F|, and |F| has the energy of the image.
    let x = random([1, 1, 6, 6], 1, DType::F64);
    let phase = FourierPhase::new([6, 6], 2.0).expect("an operator");
    let turned = x.clone().flip([2, 3]);
    let y = phase.apply(x.clone());
    assert_abs_diff_eq!(norm(phase.apply(turned) - y.clone()), 0.0, epsilon = 1e-12);
    assert_abs_diff_eq!(norm(y), norm(x), epsilon = 1e-12);
    // |(1 + 2i) · 3|² and |(1 + 2i)(3 − i)|².
    let [re, im] = [1.0, 2.0].map(|z| Constant::new(vec![z], [1, 1]));
    let random = RandomPhase::new(re, im).expect("an operator");
    let one = |x: &[f64]| row(x).reshape([1, x.len(), 1, 1]);
    assert_abs_diff_eq!(host(random.apply(one(&[3.0])))[0], 45.0, epsilon = 1e-12);
    assert_abs_diff_eq!(
        host(random.apply(one(&[3.0, -1.0])))[0],
        50.0,
        epsilon = 1e-12
    );
}

#[test]
fn jpeg_keeps_what_it_can_say_and_sends_gradients_straight_through() {
    let jpeg = Jpeg::new(50, ValueRange::Unit).expect("an operator");
    let x = (random([1, 3, 16, 24], 1, DType::F64) * 0.1 + 0.5).clamp(0.0, 1.0);
    let y = jpeg.apply(x.clone());
    // A second compression loses nothing, up to clamping.
    let again = norm(jpeg.apply(y.clone()) - y.clone());
    assert_abs_diff_eq!(again, 0.0, epsilon = 1e-9 * norm(y.clone()));
    assert!(norm(y.clone() - x.clone()) > 0.01 * norm(x.clone()));
    // At the best quality the error is below 3/255.
    let best = Jpeg::new(100, ValueRange::Unit).expect("an operator");
    let worst = (best.apply(x.clone()) - x.clone())
        .abs()
        .max()
        .into_scalar::<f64>();
    assert!(worst < 3.0 / 255.0, "{worst}");
    // In the backward pass every step is orthogonal or inverted later, so it is the identity.
    let v = random([1, 3, 16, 24], 2, DType::F64);
    let (_, pullback) = vjp(x, |x| jpeg.apply(x));
    let gap = norm(pullback.apply(v.clone()) - v.clone());
    assert_abs_diff_eq!(gap, 0.0, epsilon = 1e-9 * norm(v));
}
