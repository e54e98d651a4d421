//! The kernel against the composition of tensor operations in `f64`.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use super::*;
use crate::draw::normal;
use burn::tensor::{DType, Device};

/// Shape, groups, whether `silu` follows, whether there is a `b`.
const CASES: [([usize; 4], usize, bool, bool); 6] = [
    ([2, 8, 5, 7], 4, true, true),
    ([2, 8, 5, 7], 4, true, false),
    ([1, 32, 16, 16], 8, true, true),
    ([3, 6, 1, 3], 2, false, true),
    ([1, 4, 70, 66], 1, true, false),
    ([2, 3, 4, 4], 3, false, true),
];

fn random(shape: [usize; 4]) -> (Tensor<4>, [Tensor<2>; 3], Tensor<4>) {
    let vector = || normal([shape[0], shape[1]], 0.3, 1.5, DType::F32);
    let image = || normal(shape, 0.3, 1.5, DType::F32);
    // The mean of the images is far from 0.
    (image() + 30.0, [vector(), vector(), vector()], image())
}

fn far<const D: usize>(found: Tensor<D>, wanted: Tensor<D>) -> f64 {
    let size = wanted.clone().abs().max().into_scalar::<f64>();
    let off = (found.cast(DType::F64) - wanted).abs().max();
    off.into_scalar::<f64>() / size.max(1.0)
}

#[test]
fn the_host_and_every_other_device_agree() {
    for (shape, groups, silu, shifted) in CASES {
        let how = GroupNormalisation {
            groups,
            epsilon: 1e-5,
            silu,
        };
        let (x, [a, b, d], dy) = random(shape);
        let run = |dtype: DType| {
            let x = x.clone().cast(dtype).autodiff().require_grad();
            let wide = |v: &Tensor<2>| v.clone().cast(dtype).autodiff().require_grad();
            let [a, b, d] = [wide(&a), wide(&b), wide(&d)];
            let b = shifted.then_some(b);
            let y = group_norm(x.clone(), a.clone(), b.clone(), d.clone(), how);
            let loss = (y.clone() * dy.clone().cast(dtype).autodiff()).sum();
            let gradients = loss.backward();
            let of = |v: &Tensor<2>| v.grad(&gradients).expect("a gradient");
            let dx = x.grad(&gradients).expect("a gradient");
            let vectors: Vec<_> = [Some(&a), b.as_ref(), Some(&d)]
                .into_iter()
                .flatten()
                .map(of)
                .collect();
            (y.inner(), dx, vectors)
        };
        let (y, dx, vectors) = run(DType::F32);
        let (wanted, by_x, by_vectors) = run(DType::F64);
        assert_eq!(y.dtype(), DType::F32);
        assert!(far(y, wanted) < 1e-5, "{shape:?}");
        assert!(far(dx, by_x) < 2e-5, "{shape:?} by x");
        for (i, (found, wanted)) in vectors.into_iter().zip(by_vectors).enumerate() {
            assert!(far(found, wanted) < 1e-4, "{shape:?} by vector {i}");
        }
    }
}

#[test]
fn silu_and_its_gradient() {
    let values: Vec<f32> = (-4000..4000).map(|i| i as f32 / 37.0).collect();
    let run = |dtype: DType| {
        let x = Tensor::<1>::from_floats(values.as_slice(), &Device::flex());
        let x = x.cast(dtype).autodiff().require_grad();
        let y = crate::silu(x.clone());
        let gradients = y.clone().sum().backward();
        (y.inner(), x.grad(&gradients).expect("a gradient"))
    };
    let ((y, dx), (wanted, by_x)) = (run(DType::F32), run(DType::F64));
    let off = (y.cast(DType::F64) - wanted.clone()).abs() / (wanted.abs() + 1e-30);
    assert!(off.max().into_scalar::<f64>() < 1e-6);
    let off = far(dx, by_x);
    assert!(off < 3e-7, "{off:.1e}");
}
