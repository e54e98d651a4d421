//! Kernels and images that are known up to a shift: pictures and likeness.

use tweedie::metrics::psnr;
use tweedie::prelude::*;

/// The height and width of a patch.
pub const PATCH: usize = 64;
/// The height and width of the corner that holds a kernel.
pub const KERNEL: usize = 16;

/// A kernel with its centre of mass in the middle, to the pixel: a kernel and an image moved
/// against each other fit as well.
#[must_use]
pub fn centred(kernel: &Tensor<4>) -> Tensor<4> {
    let values: Vec<f64> = kernel.to_data().iter::<f64>().collect();
    let mean = |place: fn(usize) -> usize| {
        let each = values
            .iter()
            .enumerate()
            .map(|(i, value)| value * place(i) as f64);
        each.sum::<f64>()
    };
    let middle = (KERNEL / 2) as f64;
    let by = [mean(|i| i / KERNEL), mean(|i| i % KERNEL)].map(|at| (middle - at).round() as i64);
    kernel.clone().roll(&by, &[2, 3])
}

/// A measurement with a frame of black, of the size of the image.
#[must_use]
pub fn framed(y: Tensor<4>, margin: usize) -> Tensor<4> {
    let inner = y.dims()[2];
    let black = Tensor::full([1, 3, PATCH, PATCH], -1.0, (&y.device(), y.dtype()));
    let at = margin..margin + inner;
    black.slice_assign([0..1, 0..3, at.clone(), at], y)
}

/// A kernel as an image of the size of a patch, whose largest value is white.
#[must_use]
pub fn enlarged(kernel: Tensor<4>) -> Tensor<4> {
    let n = PATCH / KERNEL;
    let largest = kernel
        .clone()
        .max()
        .into_scalar::<f64>()
        .max(f64::MIN_POSITIVE);
    let wide = kernel.reshape([1, 1, KERNEL, 1, KERNEL, 1]) * (2.0 / largest) - 1.0;
    let wide = wide.expand([1, 1, KERNEL, n, KERNEL, n]);
    wide.reshape([1, 1, PATCH, PATCH]).repeat_dim(1, 3)
}

/// The parts of two images that overlap when the second is moved down and right by `shift`, within
/// the area that the blur has seen.
fn overlap(shift: [i32; 2], clean: &Tensor<4>, found: &Tensor<4>) -> [Tensor<4>; 2] {
    let (first, length) = (KERNEL / 2 + FARTHEST, PATCH + 1 - KERNEL - 2 * FARTHEST);
    let part = |x: &Tensor<4>, by: [i32; 2]| {
        let at = by.map(|by| (first as i32 + by) as usize);
        x.clone().narrow(2, at[0], length).narrow(3, at[1], length)
    };
    [part(clean, [0, 0]), part(found, shift)]
}

/// The largest shift of an image against a kernel shifted the other way, in pixels.
const FARTHEST: usize = 4;

/// The PSNR at the best shift: a shifted image with a kernel shifted back fits as well.
#[must_use]
pub fn aligned(clean: &Tensor<4>, found: &Tensor<4>) -> f64 {
    let reach = FARTHEST as i32;
    let shifts = (-reach..=reach).flat_map(|i| (-reach..=reach).map(move |j| [i, j]));
    let measured = shifts.map(|shift| {
        let [clean, found] = overlap(shift, clean, found);
        psnr(found, clean, 2.0)[0]
    });
    measured.fold(f64::NEG_INFINITY, f64::max)
}

/// The largest normalised correlation of two kernels over all shifts.
#[must_use]
pub fn likeness(known: &Tensor<4>, found: &Tensor<4>) -> f64 {
    let [a, b] = [known, found].map(|k| k.to_data().iter::<f64>().collect::<Vec<_>>());
    let norm = |k: &[f64]| k.iter().map(|v| v * v).sum::<f64>().sqrt();
    let (n, reach) = (KERNEL as i32, KERNEL as i32 / 2);
    let shifts = (-reach..=reach).flat_map(|i| (-reach..=reach).map(move |j| (i, j)));
    let products = shifts.map(|(down, right)| {
        let place = |at: i32| {
            let (row, column) = (at / n + down, at % n + right);
            let inside = (0..n).contains(&row) && (0..n).contains(&column);
            inside.then_some((row * n + column) as usize)
        };
        let each = a.iter().enumerate();
        each.filter_map(|(i, a)| place(i as i32).map(|j| a * b[j]))
            .sum::<f64>()
    });
    products.fold(0.0, f64::max) / (norm(&a) * norm(&b))
}
