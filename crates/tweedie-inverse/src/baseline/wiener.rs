//! The Wiener filter with the spectrum of natural images, `S(f) = s²/|f|²`: the posterior mean of
//! the stationary Gaussian prior with that spectrum.
//!
//! `x = C^½ (C^½ AᵀA C^½ + σ_y² I)⁻¹ C^½ Aᵀ y` with the circular filter `C^½`, for any linear
//! operator.
//!
//! # Reference
//! Wiener 1949; Field 1987, "Relations between the statistics of natural images" (the spectrum).

use crate::measurement::LinearGaussian;
use crate::operator::error::require;
use crate::solver::{ConjugateGradient, SolveError};
use burn::tensor::Tensor;
use tweedie_ops::CircularFilter;

/// Returns the posterior mean of images `[b, c, h, w]` with power spectrum `S(f) ∝ 1/|f|²`.
///
/// `std` is the standard deviation of a pixel, including that of the mean grey level. Conjugate
/// gradients run for at most 100 iterations.
///
/// # Errors
/// [`SolveError`] if `std` is not finite and above 0, the shapes do not fit, or the measurement is
/// not finite.
pub fn wiener(problem: &impl LinearGaussian<4>, std: f64) -> Result<Tensor<4>, SolveError> {
    require(
        "standard deviation of a pixel",
        std,
        "finite and above 0",
        std > 0.0 && std.is_finite(),
    )?;
    let (a, y) = (problem.linear(), problem.y());
    let [_, _, h, w] = a.input_shape(y.dims())?;
    let root = root_spectrum([h, w], std);
    let b = root.forward(a.adjoint(y));
    let sigma2 = problem.sigma().powi(2);
    let normal = |p: Tensor<4>| {
        let x = root.forward(p.clone());
        root.forward(a.adjoint(a.apply(x))) + p * sigma2
    };
    let iterations = ConjugateGradient::default()
        .with_iterations(100)
        .with_tolerance(1e-3)
        .with_early_stop(true);
    Ok(root.forward(iterations.invert(normal, b)?.x))
}

/// The filter `√S`, with `S` proportional to `1/|f|²`, finite at 0 and of mean `std²`.
fn root_spectrum([h, w]: [usize; 2], std: f64) -> CircularFilter {
    let side = |i: usize, n: usize| {
        let signed = if 2 * i > n { n - i } else { i };
        signed as f64 / n as f64
    };
    let least = 1.0 / h.max(w) as f64;
    let power = |i: usize| {
        let square = side(i / w, h).powi(2) + side(i % w, w).powi(2);
        1.0 / square.max(least * least)
    };
    let power: Vec<f64> = (0..h * w).map(power).collect();
    let scale = std * ((h * w) as f64 / power.iter().sum::<f64>()).sqrt();
    CircularFilter::of_magnitudes(
        &power.iter().map(|p| scale * p.sqrt()).collect::<Vec<_>>(),
        [h, w],
    )
}
