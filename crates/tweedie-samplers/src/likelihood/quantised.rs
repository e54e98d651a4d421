//! Converts densities to the bits of quantised data.
//!
//! Values rounded to bins of width `b` satisfy `log P(bin) ≥ E[log p(x + b(u − ½))] + D ln b` with
//! `u` uniform on `[0, 1)`. The bits per dimension are therefore at most
//! `−log p/(D ln 2) − log₂ b`. For 8 bits in `[−1, 1]`, `b = 2/255` if 0 and 255 map to the ends
//! (as `tweedie-image` loads them), and `b = 2/256` if the bins fill the interval.
//!
//! # Reference
//! Theis, van den Oord & Bethge 2016, section 3.1, arXiv:1511.01844.

use burn::tensor::Tensor;
use std::f64::consts::{LN_2, SQRT_2};
use tweedie_core::Noise;

/// Bits per dimension of quantised data, given the log-density of the dequantised data in nats.
///
/// ```
/// use tweedie_samplers::likelihood::bits_per_dimension;
///
/// // Uniform on [−1, 1]: all 256 values are equally likely, 8 bits.
/// assert!((bits_per_dimension(-(2.0_f64.ln()), 1, 2.0 / 256.0) - 8.0).abs() < 1e-12);
/// ```
///
/// # Panics
/// If `dimensions` is 0, or the bin is not finite and above 0.
#[must_use]
pub fn bits_per_dimension(log_density: f64, dimensions: usize, bin: f64) -> f64 {
    assert!(dimensions > 0, "bits of no dimensions");
    assert_bin(bin);
    -log_density / (dimensions as f64 * LN_2) - bin.log2()
}

pub(super) fn assert_bin(bin: f64) {
    assert!(bin > 0.0 && bin.is_finite(), "a bin of width {bin}");
}

/// Dequantises data: `x + bin·(u − ½)` with `u` uniform on `(0, 1)`.
///
/// # Panics
/// If the bin is not finite and above 0.
pub fn dequantise<const D: usize>(x: Tensor<D>, bin: f64, noise: &mut dyn Noise<D>) -> Tensor<D> {
    assert_bin(bin);
    // Φ(z) − ½ is uniform on (−½, ½).
    let centred = (noise.normal_like(&x) / SQRT_2).erf() * 0.5;
    x + centred * bin
}
