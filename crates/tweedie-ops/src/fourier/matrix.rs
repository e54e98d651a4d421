//! Fourier transforms as matrix products, for any device.
//!
//! Up to [`DIRECT`] points a transform is one product with the matrix `e^{−2πi jk/n}`. Beyond that,
//! `n = a b` splits into transforms of `a` and of `b` points with twiddle factors between them. If
//! `n` has no suitable factor, a chirp turns the transform into a circular convolution whose length
//! is a power of two.
//!
//! # Reference
//! Cooley and Tukey 1965; Bluestein 1970, "A linear filtering approach to the computation of
//! discrete Fourier transform".

use crate::Constant;
use burn::tensor::Tensor;
use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::{Arc, LazyLock, Mutex};

/// The largest number of points that one matrix product transforms.
const DIRECT: usize = 1024;

/// Real and imaginary part, each `[rows, n]`.
pub(crate) type Pair = (Tensor<2>, Tensor<2>);

/// Computes `X_k = Σ_j x_j e^{∓2πi jk/n}` of every row.
pub(crate) fn transform((re, im): Pair, inverse: bool) -> Pair {
    if inverse {
        // Σ x e^{+…} is the transform with real and imaginary part exchanged.
        let (im, re) = transform((im, re), false);
        return (re, im);
    }
    let [_, n] = re.dims();
    if n <= DIRECT {
        let table = tables(n);
        let (cos, sin) = (table.0.beside(&re), table.1.beside(&re));
        let real = re.clone().matmul(cos.clone()) + im.clone().matmul(sin.clone());
        return (real, im.matmul(cos) - re.matmul(sin));
    }
    // The divisor nearest to the square root gives two transforms of similar length.
    match (2..=n.isqrt()).rfind(|a| n.is_multiple_of(*a)) {
        Some(a) if n / a <= DIRECT * DIRECT => split((re, im), a),
        _ => chirp((re, im)),
    }
}

/// Splits with `j = a j₂ + j₁`, `k = k₂ + b k₁`: transforms of `b` points, twiddle factors,
/// transforms of `a` points.
fn split((re, im): Pair, a: usize) -> Pair {
    let [rows, n] = re.dims();
    let b = n / a;
    let inner = |x: Tensor<2>| -> Tensor<2> {
        x.reshape([rows, b, a])
            .swap_dims(1, 2)
            .reshape([rows * a, b])
    };
    let (re, im) = transform((inner(re), inner(im)), false);
    let angle = |j: usize, k: usize| TAU * (j * k) as f64 / n as f64;
    let twist = |part: fn(f64) -> f64| {
        let values = (0..a).flat_map(|j| (0..b).map(move |k| part(angle(j, k))));
        Constant::new(values.collect(), [1, a, b])
    };
    let (cos, sin) = (twist(f64::cos).beside(&re), twist(f64::sin).beside(&re));
    let wide = |x: Tensor<2>| -> Tensor<3> { x.reshape([rows, a, b]) };
    let (re, im) = (wide(re), wide(im));
    let real = re.clone() * cos.clone() + im.clone() * sin.clone();
    let imaginary = im * cos - re * sin;
    let outer = |x: Tensor<3>| -> Tensor<2> { x.swap_dims(1, 2).reshape([rows * b, a]) };
    let (re, im) = transform((outer(real), outer(imaginary)), false);
    let order =
        |x: Tensor<2>| -> Tensor<2> { x.reshape([rows, b, a]).swap_dims(1, 2).reshape([rows, n]) };
    (order(re), order(im))
}

/// Uses `jk = (j² + k² − (k−j)²)/2`: a convolution with the chirp `e^{πi j²/n}`.
fn chirp((re, im): Pair) -> Pair {
    let [rows, n] = re.dims();
    let length = (2 * n - 1).next_power_of_two();
    // The chirp has period 2n in j²; reducing j² modulo 2n keeps the digits of large angles.
    let angle = |j: usize| std::f64::consts::PI * ((j * j) % (2 * n)) as f64 / n as f64;
    let part = |part: fn(f64) -> f64| {
        Constant::new((0..n).map(|j| part(angle(j))).collect(), [1, n]).beside(&re)
    };
    let (cos, sin) = (part(f64::cos), part(f64::sin));
    let folded = |part: fn(f64) -> f64| {
        let mut values = vec![0.0; length];
        for j in 0..n {
            values[j] = part(angle(j));
            values[(length - j) % length] = part(angle(j));
        }
        Constant::new(values, [1, length]).beside(&re)
    };
    let (kernel_re, kernel_im) = transform((folded(f64::cos), folded(f64::sin)), false);
    let padded = |x: Tensor<2>| {
        let zeros = Tensor::zeros([rows, length - n], (&x.device(), x.dtype()));
        Tensor::cat(vec![x, zeros], 1)
    };
    let real = re.clone() * cos.clone() + im.clone() * sin.clone();
    let imaginary = im * cos.clone() - re * sin.clone();
    let (re, im) = transform((padded(real), padded(imaginary)), false);
    let product = (
        re.clone() * kernel_re.clone() - im.clone() * kernel_im.clone(),
        re * kernel_im + im * kernel_re,
    );
    let (re, im) = transform(product, true);
    let cut = |x: Tensor<2>| x.slice([0..rows, 0..n]) * (1.0 / length as f64);
    let (re, im) = (cut(re), cut(im));
    let real = re.clone() * cos.clone() + im.clone() * sin.clone();
    (real, im * cos - re * sin)
}

type Tables = Arc<(Constant<2>, Constant<2>)>;

/// Returns `cos` and `sin` of `2π jk/n`, cached for each length.
fn tables(n: usize) -> Tables {
    static KEPT: LazyLock<Mutex<HashMap<usize, Tables>>> = LazyLock::new(Mutex::default);
    let mut kept = KEPT.lock().unwrap_or_else(|held| held.into_inner());
    let make = || {
        let table = |part: fn(f64) -> f64| {
            let angle = |i: usize| TAU * ((i / n) * (i % n) % n) as f64 / n as f64;
            Constant::new((0..n * n).map(|i| part(angle(i))).collect(), [n, n])
        };
        Arc::new((table(f64::cos), table(f64::sin)))
    };
    kept.entry(n).or_insert_with(make).clone()
}
