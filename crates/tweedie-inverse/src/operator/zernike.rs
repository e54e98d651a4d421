//! Point spread functions of a lens with aberrations.
//!
//! The intensity `|∫ e^{iW(ρ)} e^{2πi f ρ·x} dρ|²` over the unit disc, with the wavefront
//! `W = Σ_j c_j Z_j` in Zernike polynomials, normalised to a mean square of 1 over the disc.
//!
//! # Reference
//! Noll 1976, "Zernike polynomials and atmospheric turbulence" (the order and the normalisation);
//! Goodman 2005, "Introduction to Fourier Optics", chapter 6.

use super::PointSpread;
use super::error::{OperatorError, pixels, require};
use std::f64::consts::TAU;

/// The fewest points along the diameter of the pupil.
const LEAST: usize = 64;

impl PointSpread {
    /// The response of a lens with aberrations, of `size × size` pixels and sum 1.
    ///
    /// `coefficients` are those of the Zernike polynomials from Noll's index 4 on, in radians of
    /// wavefront: defocus, two of astigmatism, two of coma, two of trefoil, spherical aberration, …
    /// `cutoff` is the radius of the pupil in cycles per pixel: the response has no frequencies
    /// above twice that. A value of 0.25 or less is sampled without aliasing.
    ///
    /// ```
    /// use tweedie_inverse::operator::PointSpread;
    ///
    /// let sharp = PointSpread::zernike(&[], 0.2, 15)?;
    /// let blurred = PointSpread::zernike(&[1.5], 0.2, 15)?;
    /// let peak = |spread: &PointSpread| spread.values()[7 * 15 + 7];
    /// assert!(peak(&blurred) < 0.5 * peak(&sharp));
    /// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
    /// ```
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a size of 0 or above 127, a cutoff that is not above 0 and
    /// at most 0.5, more than 33 coefficients, or ones whose magnitudes add up to more than 10
    /// radians.
    pub fn zernike(coefficients: &[f64], cutoff: f64, size: usize) -> Result<Self, OperatorError> {
        pixels([size, size])?;
        require("kernel's size", size as f64, "at most 127", size < 128)?;
        let valid = cutoff > 0.0 && cutoff <= 0.5;
        require("pupil's radius", cutoff, "above 0 and at most 0.5", valid)?;
        let count = coefficients.len();
        require(
            "number of coefficients",
            count as f64,
            "at most 33",
            count < 34,
        )?;
        let total: f64 = coefficients.iter().map(|value| value.abs()).sum();
        let expected = "at most 10 radians";
        require("sum of the coefficients", total, expected, total <= 10.0)?;
        // The response repeats after half of the points, in units of 1/cutoff. The slope of a
        // wavefront of ten radians moves light by a few such units.
        let points = ((8.0 * cutoff * size as f64).ceil() as usize).max(LEAST);
        let place = |i: usize| (2 * i + 1) as f64 / points as f64 - 1.0;
        let pupil: Vec<(usize, usize, f64)> = (0..points * points)
            .filter_map(|i| {
                let (y, x) = (place(i / points), place(i % points));
                let (radius, angle) = (y.hypot(x), y.atan2(x));
                let wave = coefficients.iter().enumerate();
                let wave = wave.map(|(j, c)| c * polynomial(j + 4, radius, angle));
                (radius <= 1.0).then(|| (i / points, i % points, wave.sum()))
            })
            .collect();
        // The phases 2π f ρ x of a pixel; rows of the pupil are summed first.
        let centre = (size / 2) as f64;
        let turns = |pixel: usize| -> Vec<(f64, f64)> {
            let phase = |i: usize| TAU * cutoff * place(i) * (pixel as f64 - centre);
            (0..points).map(|i| phase(i).sin_cos()).collect()
        };
        let turns: Vec<Vec<(f64, f64)>> = (0..size).map(turns).collect();
        let mut values = vec![0.0; size * size];
        for column in 0..size {
            let mut rows = vec![(0.0, 0.0); points];
            for &(i, j, wave) in &pupil {
                let ((a, b), (sin, cos)) = (turns[column][j], wave.sin_cos());
                rows[i].0 += cos * b - sin * a;
                rows[i].1 += sin * b + cos * a;
            }
            for row in 0..size {
                let (mut re, mut im) = (0.0, 0.0);
                for ((a, b), (sin, cos)) in rows.iter().zip(&turns[row]) {
                    re += a * cos - b * sin;
                    im += a * sin + b * cos;
                }
                values[row * size + column] = re * re + im * im;
            }
        }
        let sum: f64 = values.iter().sum();
        Self::new(values.into_iter().map(|v| v / sum).collect(), [size, size])
    }
}

/// Noll's polynomial `Z_j` at a radius up to 1 and an angle.
fn polynomial(j: usize, radius: f64, angle: f64) -> f64 {
    // The row n of j: n (n + 1)/2 < j ≤ (n + 1)(n + 2)/2.
    let n = (0..).find(|n| (n + 1) * (n + 2) / 2 >= j).unwrap_or(0);
    let place = j - n * (n + 1) / 2 - 1;
    let m = match n % 2 {
        0 => 2 * place.div_ceil(2),
        _ => 2 * (place / 2) + 1,
    };
    let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
    let terms = (0..=(n - m) / 2).map(|k| {
        let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
        let below = factorial(k) * factorial((n + m) / 2 - k) * factorial((n - m) / 2 - k);
        sign * factorial(n - k) / below * radius.powi((n - 2 * k) as i32)
    });
    let radial: f64 = terms.sum::<f64>() * ((n + 1) as f64).sqrt();
    match (m, j % 2) {
        (0, _) => radial,
        (_, 0) => 2.0_f64.sqrt() * radial * (m as f64 * angle).cos(),
        _ => 2.0_f64.sqrt() * radial * (m as f64 * angle).sin(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    /// The polynomials are orthogonal over the disc, with a mean square of 1.
    #[test]
    fn polynomials_are_orthonormal() {
        let mean = |i: usize, j: usize| {
            let (radii, angles) = (400, 64);
            let each = (0..radii * angles).map(|k| {
                // Equal areas.
                let radius = (((k / angles) as f64 + 0.5) / radii as f64).sqrt();
                let angle = TAU * (k % angles) as f64 / angles as f64;
                polynomial(i, radius, angle) * polynomial(j, radius, angle)
            });
            each.sum::<f64>() / (radii * angles) as f64
        };
        for i in 1..=15 {
            for j in 1..=i {
                assert_abs_diff_eq!(mean(i, j), f64::from(i == j), epsilon = 1e-3);
            }
        }
        // Noll's table: defocus is √3 (2r² − 1), Z8 is √8 (3r³ − 2r) cos θ.
        assert_abs_diff_eq!(
            polynomial(4, 0.5, 1.0),
            -0.5 * 3.0_f64.sqrt(),
            epsilon = 1e-12
        );
        let coma = 8.0_f64.sqrt() * (3.0 * 0.125 - 1.0) * 1.0_f64.cos();
        assert_abs_diff_eq!(polynomial(8, 0.5, 1.0), coma, epsilon = 1e-12);
    }

    /// Without aberrations the response is Airy's pattern, `(2 J₁(2πfr)/(2πfr))²` of its peak.
    #[test]
    fn a_perfect_lens_has_airys_pattern() {
        let spread = PointSpread::zernike(&[], 0.2, 21).expect("a kernel");
        let peak = spread.values()[10 * 21 + 10];
        // The first zero is at 2πfr = 3.8317: r = 3.049. J₁(2.5133) = 0.4954.
        let at = |pixel: usize| spread.values()[10 * 21 + 10 + pixel] / peak;
        let expected = (2.0 * 0.4954 / (TAU * 0.2 * 2.0)).powi(2);
        assert_abs_diff_eq!(at(2), expected, epsilon = 3e-3);
        assert!(at(3) < 2e-3, "{}", at(3));
    }
}
