//! All kernels with their gradients, or the tensor operations that replace them on a backend.

use super::normal;
use crate::seam::{Seam, numbers};
use tweedie::ops::{
    AdamWStep, CircularFilter, ConvGeometry, GroupNormalisation, Projector, Sign, adamw,
    add_squares, attention, average, concat_channels, conv2d, fft2, group_norm, linear, scaled,
    silu,
};
use tweedie::prelude::*;
use tweedie_benches::CaseError;

pub(crate) fn seams() -> Vec<Seam> {
    let mut seams = Vec::new();
    for (name, channels, kernel, stride, padding) in [
        ("3×3", 32, 3, 1, (1, 1)),
        ("3×3, stride 2", 16, 3, 2, (1, 1)),
        ("3×3, lopsided", 7, 3, 1, (0, 1)),
        ("3×3, lopsided, stride 2", 7, 3, 2, (0, 1)),
        ("1×1", 24, 1, 1, (0, 0)),
        ("5×5", 8, 5, 1, (2, 2)),
    ] {
        let window = ConvGeometry {
            stride: [stride; 2],
            padding: [padding; 2],
        };
        seams.push(Seam::new(
            format!("convolution {name}"),
            1e-4,
            move |device| {
                let weight = normal(1, [20, channels, kernel, kernel], device);
                let (weight, bias) = (leaf(weight), leaf(normal(2, [20], device)));
                let x = leaf(normal(0, [2, channels, 17, 16], device));
                let y = conv2d(x.clone(), weight.clone(), Some(bias.clone()), window);
                let mut gradients = (y.clone().square() * 0.5).sum().backward();
                let mut found = numbers(y.inner());
                let missing = "no gradient";
                found.extend(numbers(x.grad_remove(&mut gradients).ok_or(missing)?));
                found.extend(numbers(weight.grad_remove(&mut gradients).ok_or(missing)?));
                found.extend(numbers(bias.grad_remove(&mut gradients).ok_or(missing)?));
                Ok(found)
            },
        ));
    }
    // The gradients by input and weight are both parts of the gradient by the image.
    seams.push(with_gradient("linear layer", [3, 5, 4, 6], |x| {
        let rows = x.clone().narrow(1, 0, 2).reshape([3, 48]);
        let weight = x.narrow(1, 2, 2).reshape([48, 3]);
        Ok(linear(rows, weight, None).reshape([3, 1, 1, 3]))
    }));
    for silu in [false, true] {
        let name = format!("group normalisation, silu {silu}");
        seams.push(with_gradient(name, [2, 16, 9, 8], move |x| {
            let vector = |seed| normal(seed, [2, 16], &x.device());
            let how = GroupNormalisation {
                groups: 4,
                epsilon: 1e-5,
                silu,
            };
            let (a, b, d) = (vector(1), vector(2), vector(3));
            Ok(group_norm(x.clone(), a.clone(), Some(b), d.clone(), how)
                + group_norm(x, a, None, d, how))
        }));
    }
    seams.push(with_gradient("channels of two images", [2, 7, 9, 8], |x| {
        Ok(concat_channels(x.clone().narrow(1, 2, 3) * 2.0, x))
    }));
    seams.push(with_gradient("silu", [2, 3, 9, 8], |x| Ok(silu(x * 3.0))));
    // Batch, heads, features of queries, features of values, queries, keys.
    for shape in [
        [2, 2, 8, 8, 20, 20],
        [1, 3, 8, 5, 7, 300],
        [2, 1, 4, 4, 5, 1],
    ] {
        let [b, h, d, e, n, m] = shape;
        let name = format!("attention {shape:?}");
        seams.push(Seam::new(name, 1e-4, move |device| {
            let tensor = |seed, shape| leaf(normal(seed, shape, device));
            let (q, k) = (tensor(0, [b, h, d, n]), tensor(1, [b, h, d, m]));
            let v = tensor(2, [b, h, e, m]);
            let o = attention(q.clone(), k.clone(), v.clone());
            let mut gradients = (o.clone().square() * 0.5).sum().backward();
            let mut found = numbers(o.inner());
            for x in [q, k, v] {
                found.extend(numbers(x.grad_remove(&mut gradients).ok_or("no gradient")?));
            }
            Ok(found)
        }));
    }
    seams.push(Seam::new("AdamW, averages and norms", 1e-5, |device| {
        let [parameter, gradient, m, v] = [0, 1, 2, 3].map(|seed| normal(seed, [300, 70], device));
        let step = AdamWStep {
            learning_rate: 0.02,
            keep: [0.9, 0.99],
            epsilon: 1e-3,
            weight_decay: 0.1,
            number: 3,
        };
        // A vector that one cube sums, then a non-contiguous view that several cubes sum.
        let few = gradient.clone().narrow(0, 3, 1);
        let sum = add_squares(Tensor::ones([1], device), few);
        let sum = add_squares(sum, gradient.clone().transpose());
        let length = (sum / gradient.shape().num_elements() as f64).sqrt();
        // A parameter with a second owner must not be changed in place.
        let held = parameter.clone();
        let (moved, [m, v]) = adamw(parameter, gradient.clone(), [m, v.square() + 0.1], step);
        let mixed = average(m.clone(), gradient, 0.7);
        let mut found = numbers(length);
        let half = scaled(v.clone(), 0.5);
        let all = [held, moved, m, v, mixed, half];
        found.extend(all.into_iter().flat_map(numbers));
        Ok(found)
    }));
    for (name, size) in [("16×16", [16, 16]), ("12×15", [12, 15]), ("7×11", [7, 11])] {
        let shape = [3, 2, size[0], size[1]];
        seams.push(with_gradient(
            format!("Fourier transform {name}"),
            shape,
            |x| Ok(fft2(x, Sign::Forward)),
        ));
        seams.push(with_gradient(
            format!("circular filter {name}"),
            shape,
            move |x| {
                let pixels = size[0] * size[1];
                let kernel: Vec<f64> = (0..pixels).map(|i| (i * i % 7) as f64 / 9.0).collect();
                Ok(CircularFilter::of_kernel(&kernel, [1, 1], size).forward(x))
            },
        ));
    }
    seams.push(with_gradient("projections", [2, 1, 16, 16], |x| {
        let angles: Vec<f64> = (0..9).map(|i| 0.35 * f64::from(i)).collect();
        Ok(Projector::new([16, 16], &angles, 23, [7.5, 7.5]).forward(x))
    }));
    seams
}

fn leaf<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.autodiff().require_grad()
}

/// A map of an image, and its gradient.
fn with_gradient(
    name: impl Into<String>,
    shape: [usize; 4],
    map: impl Fn(Tensor<4>) -> Result<Tensor<4>, CaseError> + 'static,
) -> Seam {
    Seam::new(name, 1e-4, move |device| {
        let x = leaf(normal(0, shape, device));
        let y = map(x.clone())?;
        let mut gradients = (y.clone().square() * 0.5).sum().backward();
        let mut found = numbers(y.inner());
        found.extend(numbers(x.grad_remove(&mut gradients).ok_or("no gradient")?));
        Ok(found)
    })
}
