//! The periodic component of an image: without the jumps between opposite edges.
//!
//! `u = p + s` where the Laplacian of `p` on the torus is that of `u` within the image: `Δ s = v`,
//! where `v` holds the jumps at the edges.
//!
//! # Reference
//! Moisan 2011, "Periodic plus smooth image decomposition", J. Math. Imaging Vis. 39.

use burn::tensor::Tensor;
use std::f64::consts::TAU;
use tweedie_ops::CircularFilter;

/// Returns the periodic component of images `[b, c, h, w]`, with the same mean.
///
/// Its Fourier transform lacks the cross that the jumps between opposite edges cause.
#[must_use]
pub fn periodic_component(u: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = u.dims();
    let jumps = jumps(u.clone(), 2) + jumps(u.clone(), 3);
    let cos = |i: usize, n: usize| (TAU * i as f64 / n as f64).cos();
    let inverse: Vec<f64> = (0..h * w)
        .map(|i| match i {
            0 => 0.0,
            _ => 1.0 / (2.0 * cos(i / w, h) + 2.0 * cos(i % w, w) - 4.0),
        })
        .collect();
    u - CircularFilter::of_magnitudes(&inverse, [h, w]).forward(jumps)
}

/// The differences between the first and the last line along an axis, at these lines.
fn jumps(u: Tensor<4>, axis: usize) -> Tensor<4> {
    let n = u.dims()[axis];
    if n < 2 {
        return u.zeros_like();
    }
    let jump = u.clone().narrow(axis, n - 1, 1) - u.clone().narrow(axis, 0, 1);
    let mut between = u.dims();
    between[axis] = n - 2;
    let between = Tensor::zeros(between, (&u.device(), u.dtype()));
    match n {
        2 => Tensor::cat(vec![jump.clone(), -jump], axis),
        _ => Tensor::cat(vec![jump.clone(), between, -jump], axis),
    }
}
