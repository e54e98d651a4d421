//! The kernel against burn's concatenation.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use super::*;
use crate::draw;
use burn::tensor::{DType, Device};

#[test]
fn values_and_gradients() {
    for [n, i, j, h, w] in [[1, 1, 1, 1, 1], [3, 4, 2, 5, 7], [2, 30, 50, 33, 32]] {
        let normal = |shape: [usize; 4]| draw::normal(shape, 0.0, 1.0, DType::F32);
        // A view that is not contiguous.
        let (a, b) = (normal([n, i, w, h]).swap_dims(2, 3), normal([n, j, h, w]));
        let dy = normal([n, i + j, h, w]);
        let [x, y] = [&a, &b].map(|x| x.clone().autodiff().require_grad());
        let joint = concat_channels(x.clone(), y.clone());
        let gradients = (joint.clone() * dy.clone().autodiff()).sum().backward();
        let of = |x: &Tensor<4>| x.grad(&gradients).expect("a gradient");
        let wanted = Tensor::cat(vec![a, b], 1);
        assert_eq!(joint.inner().into_data(), wanted.into_data());
        assert_eq!(of(&x).into_data(), dy.clone().narrow(1, 0, i).into_data());
        assert_eq!(of(&y).into_data(), dy.narrow(1, i, j).into_data());
    }
}

#[test]
#[should_panic(expected = "concat_channels: images [1, 2, 3, 4] and [1, 2, 4, 4]")]
fn other_sizes_are_refused() {
    let image = |h| Tensor::<4>::zeros([1, 2, h, 4], &Device::flex());
    let _ = concat_channels(image(3), image(4));
}
