//! The kernels against burn's convolution in `f64`, forward and backward.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use super::*;
use crate::draw;
use crate::scratch::Scratch;
use burn::tensor::{DType, Device};

/// Shape of the images, output channels, kernel, geometry.
const CASES: [([usize; 4], usize, [usize; 2], ConvGeometry); 20] = [
    // Large enough for Winograd's algorithm.
    ([2, 32, 16, 16], 48, [3, 3], window(1, 1)),
    ([3, 16, 21, 14], 3, [3, 3], window(1, 1)),
    ([1, 31, 19, 22], 40, [3, 3], window(1, 0)),
    ([1, 48, 15, 17], 20, [3, 3], window(1, 2)),
    // More tiles than one block holds, in rows that do not divide the blocks evenly.
    ([2, 40, 45, 70], 24, [3, 3], window(1, 1)),
    // More channels than are transformed together.
    ([2, 70, 16, 12], 81, [3, 3], window(1, 1)),
    ([2, 16, 8, 8], 16, [3, 3], window(1, 1)),
    // Winograd only in the backward pass, and different padding on every side.
    ([2, 1, 16, 16], 20, [3, 3], window(1, 1)),
    (
        [1, 32, 18, 13],
        20,
        [3, 3],
        ConvGeometry {
            stride: [1, 1],
            padding: [(2, 0), (0, 1)],
        },
    ),
    // Direct convolution.
    ([1, 33, 13, 10], 20, [3, 3], window(1, 1)),
    ([3, 16, 9, 4], 3, [3, 3], window(1, 0)),
    ([1, 24, 7, 7], 40, [3, 3], window(1, 2)),
    ([20, 32, 4, 4], 16, [3, 3], window(1, 1)),
    ([2, 3, 9, 8], 17, [3, 3], window(1, 1)),
    ([2, 16, 2, 2], 16, [3, 3], window(1, 1)),
    ([1, 5, 9, 11], 4, [5, 3], window(1, 2)),
    ([2, 17, 6, 5], 9, [1, 1], window(1, 0)),
    ([2, 6, 9, 8], 18, [3, 3], window(2, 1)),
    (
        [1, 16, 8, 9],
        16,
        [3, 3],
        ConvGeometry {
            stride: [2, 2],
            padding: [(0, 1), (0, 1)],
        },
    ),
    ([1, 4, 12, 12], 32, [4, 4], window(4, 0)),
];

const fn window(stride: usize, padding: usize) -> ConvGeometry {
    ConvGeometry {
        stride: [stride; 2],
        padding: [(padding, padding); 2],
    }
}

fn normal<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    draw::normal(shape, 0.0, 1.0, DType::F32)
}

/// The largest difference, relative to the root mean square of the expected result.
fn far<const D: usize>(found: Tensor<D>, wanted: Tensor<D>) -> f64 {
    assert_eq!(found.dims(), wanted.dims());
    let size = wanted.clone().square().mean().sqrt().into_scalar::<f64>();
    let off = (found.cast(DType::F64) - wanted).abs().max();
    off.into_scalar::<f64>() / size
}

/// The gradient of half the squared norm by the input, with weights that are not tracked.
fn by_input(x: &Tensor<4>, weight: &Tensor<4>, window: ConvGeometry) -> Tensor<4> {
    let x = x.clone().autodiff().require_grad();
    let y = conv2d(x.clone(), weight.clone(), None, window);
    let gradients = (y.square() * 0.5).sum().backward();
    x.grad(&gradients).expect("a gradient")
}

#[test]
fn values_and_gradients() {
    // Fills the scratch buffers with NaN: the kernels must not read what was there before.
    let spoilt: Vec<Scratch> = [1 << 22, 1 << 20, 1 << 18, 1 << 16, 1 << 14]
        .map(|length| {
            let mut numbers = Scratch::take(length);
            numbers.fill(f32::NAN);
            numbers
        })
        .into();
    drop(spoilt);
    for (shape, out, kernel, window) in CASES {
        let weight = normal([out, shape[1], kernel[0], kernel[1]]);
        let (x, bias) = (normal(shape), normal([out]));
        let run = |dtype: DType| {
            let x = x.clone().cast(dtype).autodiff().require_grad();
            let w = weight.clone().cast(dtype).autodiff().require_grad();
            let b = bias.clone().cast(dtype).autodiff().require_grad();
            let y = conv2d(x.clone(), w.clone(), Some(b.clone()), window);
            // With this loss the gradient of the output differs from pixel to pixel.
            let gradients = (y.clone().square() * 0.5).sum().backward();
            let expected = "a gradient";
            (
                y.inner(),
                x.grad(&gradients).expect(expected),
                w.grad(&gradients).expect(expected),
                b.grad(&gradients).expect(expected),
            )
        };
        let (found, wanted) = (run(DType::F32), run(DType::F64));
        let case = format!("{shape:?} to {out}, {kernel:?}, {window:?}");
        let off = [
            far(found.0, wanted.0),
            far(found.1, wanted.1),
            far(found.2, wanted.2),
            far(found.3, wanted.3),
        ];
        assert!(off.iter().all(|&off| off < 5e-5), "{case}: {off:?}");
    }
}

/// An image has the same bits in a batch and alone.
#[test]
fn images_do_not_see_each_other() {
    for (shape, out, kernel, window) in CASES {
        let weight = normal([out, shape[1], kernel[0], kernel[1]]);
        let x = normal([7, shape[1], shape[2], shape[3]]);
        let together = conv2d(x.clone(), weight.clone(), None, window);
        for image in 0..7 {
            let one = x.clone().narrow(0, image, 1);
            let alone = conv2d(one, weight.clone(), None, window);
            let equal = alone.equal(together.clone().narrow(0, image, 1)).all();
            assert!(equal.into_scalar::<bool>(), "{shape:?}, {kernel:?}");
        }
        let together = by_input(&x, &weight, window);
        for image in 0..7 {
            let alone = by_input(&x.clone().narrow(0, image, 1), &weight, window);
            let equal = alone.equal(together.clone().narrow(0, image, 1)).all();
            assert!(
                equal.into_scalar::<bool>(),
                "{shape:?}, {kernel:?} by the input"
            );
        }
    }
}

/// Weights of 1×1 kernels that are a transposed view.
#[test]
fn transposed_weights() {
    let (x, matrix) = (normal([3, 20, 9, 7]), normal::<2>([20, 33]));
    let run = |weight: Tensor<4>| {
        let (x, weight) = (
            x.clone().autodiff().require_grad(),
            weight.autodiff().require_grad(),
        );
        let y = conv2d(x.clone(), weight.clone(), None, window(1, 0));
        let gradients = y.clone().square().sum().backward();
        let [dx, dw] = [x, weight].map(|tensor| tensor.grad(&gradients).expect("a gradient"));
        [y.inner(), dx, dw]
    };
    let view = matrix.transpose().unsqueeze_dims(&[2, 3]);
    let plain = Tensor::from_data(view.to_data(), &Device::flex());
    for (found, wanted) in run(view).into_iter().zip(run(plain)) {
        assert!(found.equal(wanted).all().into_scalar::<bool>());
    }
}

/// Images that are views: channels last in memory, or cut out of a larger image.
#[test]
fn views() {
    let weight = normal([16, 16, 3, 3]);
    let run = |x: Tensor<4>| conv2d(x, weight.clone(), None, window(1, 1));
    let turned = normal([2, 19, 18, 16]).permute([0, 3, 1, 2]);
    let cut = normal([4, 20, 22, 22]).slice([1..3, 2..18, 3..22, 4..22]);
    let small = cut.clone().narrow(3, 1, 6);
    for view in [turned, cut, small] {
        let plain = Tensor::from_data(view.to_data(), &Device::flex());
        assert!(run(view).equal(run(plain)).all().into_scalar::<bool>());
    }
}

/// An empty batch.
#[test]
fn nothing() {
    for (shape, out) in [([0, 16, 8, 8], 33), ([0, 3, 8, 8], 33)] {
        let x = normal(shape).autodiff().require_grad();
        let w = normal([out, shape[1], 3, 3]).autodiff().require_grad();
        let y = conv2d(x, w, None, window(1, 1));
        assert_eq!(y.dims(), [0, out, 8, 8]);
    }
}

/// Random shapes, kernels, strides and paddings.
#[test]
fn any_shape() {
    let mut state = 7_u64;
    let mut between = |low: usize, high: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        low + (state >> 33) as usize % (high - low + 1)
    };
    for _ in 0..80 {
        let kernel = if between(0, 2) > 0 {
            [3, 3]
        } else {
            [between(1, 5), between(1, 5)]
        };
        let padding = kernel.map(|k| (between(0, k - 1), between(0, k - 1)));
        let size = kernel.map(|k| between(k, 15));
        let window = ConvGeometry {
            stride: [between(1, 3); 2],
            padding,
        };
        let shape = [between(1, 3), between(1, 40), size[0], size[1]];
        let (x, weight) = (
            normal(shape),
            normal([between(1, 40), shape[1], kernel[0], kernel[1]]),
        );
        let run = |dtype: DType| {
            let x = x.clone().cast(dtype).autodiff().require_grad();
            let w = weight.clone().cast(dtype).autodiff().require_grad();
            let y = conv2d(x.clone(), w.clone(), None, window);
            let gradients = (y.clone().square() * 0.5).sum().backward();
            let [dx, dw] = [x.grad(&gradients), w.grad(&gradients)];
            (y.inner(), dx.expect("a gradient"), dw.expect("a gradient"))
        };
        let (found, wanted) = (run(DType::F32), run(DType::F64));
        let frozen = by_input(&x, &weight, window);
        let case = format!("{shape:?} by {:?}, {window:?}", weight.dims());
        assert!(far(found.0, wanted.0) < 5e-5, "{case}");
        assert!(far(found.1, wanted.1.clone()) < 5e-5, "{case} by x");
        assert!(far(frozen, wanted.1) < 5e-5, "{case} by x alone");
        assert!(far(found.2, wanted.2) < 5e-5, "{case} by w");
    }
}

/// The innermost loop with vectors of every width.
#[test]
fn every_width_of_vectors() {
    use crate::product::{Left, PANEL, Right, product};
    fn run<S: pulp::Simd>(simd: S) -> Vec<f32> {
        let number = |i: usize| ((i * 37 + 11) % 101) as f32 / 50.0 - 1.0;
        let a: Vec<f32> = (0..4000).map(number).collect();
        let b: Vec<f32> = (0..2000).map(|i| number(i + 5)).collect();
        let mut c = vec![1.0; 30 * PANEL];
        let left = Left {
            start: 3,
            row: 40,
            step: 2,
            depth: 7,
            segment: 50,
            segments: 4,
        };
        let right = Right {
            values: &b,
            stride: PANEL,
            segment: 8 * PANEL,
        };
        for rows in 1..30 {
            product(simd, (&a, left), right, (&mut c, PANEL), rows, true);
        }
        c
    }
    let wanted = run(pulp::Scalar);
    let widths = [
        run(pulp::Scalar128b),
        run(pulp::Scalar256b),
        run(pulp::Scalar512b),
    ];
    for found in widths {
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!((found - wanted).abs() < 1e-4 * wanted.abs().max(1.0));
        }
    }
}
