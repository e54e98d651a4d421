//! Invalid input and its errors.

use super::random;
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::DType;
use tweedie_catalogue::{LinearCase, linear_operators, nonlinear_operators};
use tweedie_core::{Interpolation, Resize, ValueRange};
use tweedie_inverse::operator::{
    AveragePool, Basis, Blur, ChannelMix, Channels, FourierPhase, Gamma, Jpeg, Mask, Matrix,
    MultiCoil, Operator, OperatorError, Padding, PointSpread, Sampled, Saturation, Separable,
    Stack, Taps, Tomography, Transform, VaryingBlur,
};
use tweedie_ops::Constant;

#[test]
fn a_wrong_shape_is_said_before_work_starts() {
    let mut refused = 0;
    for LinearCase {
        name,
        operator,
        shape,
    } in linear_operators()
    {
        let wrong = [shape[0], shape[1] + 4, shape[2] * 2 + 1, shape[3] * 3 + 2];
        let error = match operator.output_shape(wrong) {
            // Some operators take images of any shape.
            Ok(shape) => {
                let y = operator.apply(random(wrong, 1, DType::F32));
                assert_eq!(y.dims(), shape, "{name}");
                continue;
            }
            Err(error) => error,
        };
        refused += 1;
        let OperatorError::Shape {
            found, expected, ..
        } = &error
        else {
            panic!("{name}: {error}");
        };
        assert!(found.len() == 4 && !expected.is_empty(), "{name}");
        let panic = std::panic::catch_unwind(|| operator.apply(random(wrong, 1, DType::F32)));
        let panic = panic.expect_err("a panic");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert_eq!(message, &error.to_string(), "{name}");
    }
    for (name, operator, shape) in nonlinear_operators() {
        let wrong = [shape[0], shape[1] + 4, shape[2] + 1, shape[3] + 2];
        match operator.output_shape(wrong) {
            Ok(shape) => {
                let y = operator.apply(random(wrong, 1, DType::F32));
                assert_eq!(y.dims(), shape, "{name}");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 50, "only {refused} operators refuse a shape");
    let small = Blur::new(
        PointSpread::gaussian(2.0).expect("a kernel"),
        Padding::Valid,
    );
    let error = small
        .output_shape([1, 1, 8, 30])
        .expect_err("an error")
        .to_string();
    assert_eq!(
        error,
        "blur: a tensor of shape [1, 1, 8, 30], expected [batch, channels, 15 or more, 15 or more]"
    );
    let pool = AveragePool::new(3).expect("an operator");
    let error = pool
        .output_shape([1, 3, 9, 8])
        .expect_err("an error")
        .to_string();
    assert!(error.contains("height and width that 3 divides"), "{error}");
}

#[test]
fn nonsense_is_refused() {
    let refused = |what: &str, error: Option<OperatorError>| {
        let error = error.unwrap_or_else(|| panic!("{what} was taken"));
        assert!(error.to_string().len() > 20, "{error}");
    };
    refused(
        "a box outside",
        Mask::missing_box([8, 8], [6, 0], [4, 4]).err(),
    );
    refused("a probability", Mask::random([4, 4], 1.5, 0).err());
    refused("no lines", Mask::lines([4, 4], 0).err());
    refused(
        "an acceleration",
        Mask::cartesian([4, 4], 0.5, 0.1, 0).err(),
    );
    refused("no factor", AveragePool::new(0).err());
    refused(
        "ragged rows",
        ChannelMix::new(&[vec![1.0], vec![1.0, 2.0]]).err(),
    );
    refused("no rows", ChannelMix::new(&[]).err());
    refused("a weight", ChannelMix::new(&[vec![f64::NAN]]).err());
    refused("no channels", ChannelMix::mean(0).err());
    refused("channels", Channels::new(2, 2, 3).err());
    for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused("a σ", PointSpread::gaussian(sigma).err());
        refused("a filter's σ", Taps::Gaussian { sigma }.weights(2).err());
        refused("a γ", Gamma::new(sigma, ValueRange::Unit).err());
        refused("a gain", Saturation::new(sigma, ValueRange::Unit).err());
    }
    refused("a kernel", PointSpread::new(vec![1.0; 3], [2, 2]).err());
    refused("an empty kernel", PointSpread::uniform([0, 3]).err());
    refused("an intensity", PointSpread::motion(5, 2.0, 0).err());
    let kernel = PointSpread::gaussian(1.0).expect("a kernel");
    let tiles = |count, tiles| {
        VaryingBlur::tiles(vec![kernel.clone(); count], tiles, [8, 8], Padding::Zero)
    };
    refused("too few kernels", tiles(3, [2, 2]).err());
    refused("no tiles", tiles(0, [0, 2]).err());
    refused(
        "a factor of 0",
        Separable::decimate(Taps::None, 0, [8, 8], Padding::Zero).err(),
    );
    refused("an empty image", Separable::imresize([0, 8], [4, 4]).err());
    let resample = |taps, padding| Separable::resample(taps, [8, 8], [3, 3], padding).err();
    refused("no edge", resample(Taps::Sinc, Padding::Valid));
    refused(
        "a σ",
        resample(Taps::Gaussian { sigma: 0.0 }, Padding::Zero),
    );
    let resize = Resize::new(Interpolation::Bilinear);
    refused(
        "an empty result",
        Separable::resize(resize, [8, 8], [0, 4]).err(),
    );
    let valid = Separable::decimate(Taps::Bicubic, 4, [8, 8], Padding::Valid);
    refused("an image below the filter", valid.err());
    refused(
        "a matrix",
        Matrix::new(Constant::new(vec![0.0; 6], [2, 3]), [1, 2, 2]).err(),
    );
    refused("no measurements", Matrix::gaussian([1, 2, 2], 0, 0).err());
    refused(
        "Hadamard of 6",
        Transform::new(Basis::Hadamard, [6, 4]).err(),
    );
    refused(
        "too many coefficients",
        Sampled::single_pixel([4, 4], 17).err(),
    );
    refused("no angles", Tomography::new([4, 4], &[]).err());
    refused("an angle", Tomography::new([4, 4], &[f64::NAN]).err());
    let oblong = Tomography::half_turn([4, 5], 3).expect("a scan");
    refused("an oblong disc", oblong.with_disc().err());
    refused(
        "no coils",
        MultiCoil::new(
            Constant::new(vec![], [2, 0, 4, 4]),
            Mask::of_pixels([4, 4], |_, _| true),
        )
        .err(),
    );
    refused("an oversampling", FourierPhase::new([4, 4], 0.5).err());
    refused("a quality", Jpeg::new(0, ValueRange::Unit).err());
    refused(
        "an empty stack",
        Stack::<AveragePool>::new(vec![], [1, 4, 4]).err(),
    );
    let pool = AveragePool::new(3).expect("an operator");
    refused("a stack of others", Stack::new(vec![pool], [1, 4, 4]).err());
}

#[test]
fn masks_are_what_they_say() {
    let device = burn::tensor::Device::flex();
    let rows = |mask: &Mask<4>| -> Vec<String> {
        let kept = mask.kept(&device);
        let width = kept.dims()[3];
        let kept: Vec<bool> = kept.into_data().iter::<bool>().collect();
        let line = |line: &[bool]| {
            line.iter()
                .map(|&kept| if kept { 'x' } else { '.' })
                .collect()
        };
        kept.chunks(width).map(line).collect()
    };
    let missing = Mask::missing_box([3, 4], [1, 1], [1, 2]).expect("a mask");
    assert_eq!(rows(&missing), ["xxxx", "x..x", "xxxx"]);
    assert_abs_diff_eq!(missing.fraction(), 10.0 / 12.0, epsilon = 1e-12);
    use tweedie_inverse::operator::{Bayer, Side};
    assert_eq!(rows(&Mask::missing_half([1, 5], Side::Left)), ["..xxx"]);
    assert_eq!(rows(&Mask::missing_half([1, 5], Side::Right)), ["xxx.."]);
    assert_eq!(
        rows(&Mask::missing_half([3, 1], Side::Upper)),
        [".", "x", "x"]
    );
    assert_eq!(
        rows(&Mask::missing_half([3, 1], Side::Lower)),
        ["x", "x", "."]
    );
    assert_eq!(
        rows(&Mask::lines([4, 2], 2).expect("a mask")),
        ["xx", "..", "xx", ".."]
    );
    let mosaic = rows(&Mask::bayer([2, 2], Bayer::Rggb));
    assert_eq!(mosaic, ["x.", "..", ".x", "x.", "..", ".x"]);
    let share = Mask::random([100, 100], 0.3, 1).expect("a mask").fraction();
    assert!(
        abs_diff_eq!(share, 0.3, epsilon = 5.0 * (0.21_f64 / 1e4).sqrt()),
        "{share}"
    );
    let scan = Mask::cartesian([4, 200], 4.0, 0.08, 1).expect("a mask");
    let lines = rows(&scan);
    assert!(lines.iter().all(|line| line == &lines[0]));
    assert_eq!(&lines[0][92..108], "x".repeat(16));
    assert!(
        abs_diff_eq!(scan.fraction(), 0.25, epsilon = 0.1),
        "{}",
        scan.fraction()
    );
}
