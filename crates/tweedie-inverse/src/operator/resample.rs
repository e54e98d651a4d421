//! Resampling, up and down: constructors of [`Separable`] operators.
//!
//! Three conventions are in use. Their grids differ by fractions of a pixel:
//!
//! | | filter | sample `i` is centred at |
//! |---|---|---|
//! | [`Separable::decimate`] (deepinv) | of whole factors, then every `f`-th pixel | `f i`, for an even number of taps `f i + ½`; with [`Padding::Valid`] the middle of the taps that start at `f i` |
//! | [`Separable::resize`] (PyTorch, Pillow) | of any scale, renormalised at the edges | `f (i + ½) − ½` |
//! | [`Separable::resample`], [`Separable::imresize`] (MATLAB) | of any scale, any edge; bicubic, edges mirrored | `f (i + ½) − ½` |

use super::error::{OperatorError, require};
use super::{Padding, PointSpread, Separable};
use serde::{Deserialize, Serialize};
use tweedie_core::Resize;

/// The low-pass filter before decimation by a factor `f`; its weights have the sum 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Taps {
    /// No filter.
    None,
    /// A triangle over `2f` pixels.
    Bilinear,
    /// Keys' cubic with `a = −½` over `4f` pixels.
    Bicubic,
    /// `sin(πt)/(πt)` with `t` in units of the factor, in a Kaiser window of `4f` pixels.
    Sinc,
    /// `exp(−t²/(2σ²))`, σ in pixels, over `2 ⌊σ/0.3 + 1⌋ + 1` pixels.
    Gaussian {
        /// The standard deviation, in pixels.
        sigma: f64,
    },
}

impl Taps {
    /// The weights of the filter for a factor.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless the factor is from 1 to 65,536 and σ is above 0 and
    /// below 10⁴.
    pub fn weights(self, factor: usize) -> Result<Vec<f64>, OperatorError> {
        require(
            "factor",
            factor as f64,
            "from 1 to 65,536",
            (1..=1 << 16).contains(&factor),
        )?;
        let f = factor as f64;
        let even = |taps: usize, value: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let centre = (taps * factor) as f64 / 2.0 - 0.5;
            (0..taps * factor)
                .map(|i| value((i as f64 - centre) / f))
                .collect()
        };
        let weights = match self {
            Self::None => vec![1.0],
            Self::Bilinear => even(2, &|t| 1.0 - t.abs()),
            Self::Bicubic => even(4, &cubic),
            Self::Sinc => {
                let shape = kaiser_shape(f);
                let half = (4.0 * f - 1.0) / 2.0;
                even(4, &|t| sinc(t) * kaiser(t * f / half, shape))
            }
            Self::Gaussian { sigma } => {
                let valid = sigma > 0.0 && sigma < 1e4;
                require("filter's σ", sigma, "above 0 and below 10⁴ pixels", valid)?;
                let reach = (sigma / 0.3 + 1.0) as i32;
                (-reach..=reach)
                    .map(|t| (-0.5 * (f64::from(t) / sigma).powi(2)).exp())
                    .collect()
            }
        };
        let sum: f64 = weights.iter().sum();
        Ok(weights.into_iter().map(|weight| weight / sum).collect())
    }

    /// The filter as a kernel for [`Blur`](super::Blur).
    ///
    /// # Errors
    /// As [`weights`](Self::weights).
    pub fn kernel(self, factor: usize) -> Result<PointSpread, OperatorError> {
        let weights = self.weights(factor)?;
        PointSpread::outer(&weights, &weights)
    }
}

/// Keys' cubic, `a = −½`.
fn cubic(t: f64) -> f64 {
    let t = t.abs();
    if t <= 1.0 {
        (1.5 * t - 2.5) * t * t + 1.0
    } else if t < 2.0 {
        ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    } else {
        0.0
    }
}

fn sinc(t: f64) -> f64 {
    match t {
        0.0 => 1.0,
        t => (std::f64::consts::PI * t).sin() / (std::f64::consts::PI * t),
    }
}

/// Kaiser's window at `t ∈ [−1, 1]`.
fn kaiser(t: f64, shape: f64) -> f64 {
    let bessel = |x: f64| {
        let terms = (1..60).scan(1.0, |term, k| {
            *term *= (x / (2.0 * f64::from(k))).powi(2);
            Some(*term)
        });
        1.0 + terms.sum::<f64>()
    };
    bessel(shape * (1.0 - t * t).max(0.0).sqrt()) / bessel(shape)
}

/// Kaiser's estimate of the shape parameter of the window.
///
/// The attenuation in decibels is that of `4f` taps over a transition band of `2 (2 − √2)/f`, as in
/// the resampling filters of StyleGAN 3.
fn kaiser_shape(f: f64) -> f64 {
    let band = 2.0 * (2.0 - std::f64::consts::SQRT_2) / f;
    let attenuation = 2.285 * (4.0 * f - 1.0) * std::f64::consts::PI * band + 7.95;
    if attenuation > 50.0 {
        0.1102 * (attenuation - 8.7)
    } else if attenuation > 21.0 {
        0.5842 * (attenuation - 21.0).powf(0.4) + 0.07886 * (attenuation - 21.0)
    } else {
        0.0
    }
}

/// The rows of the matrix that filters `n` pixels and takes every `factor`-th.
fn decimation(
    weights: &[f64],
    n: usize,
    factor: usize,
    padding: Padding,
) -> Result<Vec<Vec<f64>>, OperatorError> {
    let (taps, from) = (weights.len(), n as f64);
    let (length, centre) = match padding {
        Padding::Valid => {
            require(
                "image's size",
                from,
                "at least that of the filter",
                n >= taps,
            )?;
            (n + 1 - taps, taps - 1)
        }
        _ => (n, taps / 2),
    };
    require(
        "image's size",
        from,
        "from 1 to 16,384",
        (1..=1 << 14).contains(&n),
    )?;
    let row = |i: usize| {
        let mut row = vec![0.0; n];
        for (k, weight) in weights.iter().enumerate() {
            let place = (i * factor + centre) as isize - k as isize;
            if let Some(pixel) = padding.pixel(place, n) {
                row[pixel] += weight;
            }
        }
        row
    };
    Ok((0..length.div_ceil(factor)).map(row).collect())
}

/// The rows of the matrix that takes `to` evenly spaced samples of `from` pixels.
fn resampling(taps: Taps, from: usize, to: usize, padding: Padding) -> Vec<Vec<f64>> {
    let scale = from as f64 / to as f64;
    let wide = scale.max(1.0);
    let row = |i: usize| {
        let centre = (i as f64 + 0.5) * scale - 0.5;
        let (reach, weight): (f64, Box<dyn Fn(f64) -> f64>) = match taps {
            // The nearest pixel only.
            Taps::None => (0.0, Box::new(|_| 1.0)),
            Taps::Bilinear => (wide, Box::new(|d| (1.0 - (d / wide).abs()).max(0.0))),
            Taps::Bicubic => (2.0 * wide, Box::new(|d| cubic(d / wide))),
            Taps::Sinc => {
                let (half, shape) = (2.0 * wide, kaiser_shape(wide));
                let inside = move |d: f64| d.abs() <= half;
                let value = move |d| sinc(d / wide) * kaiser(d / half, shape);
                (
                    half,
                    Box::new(move |d| if inside(d) { value(d) } else { 0.0 }),
                )
            }
            Taps::Gaussian { sigma } => (
                (sigma / 0.3 + 1.0).floor(),
                Box::new(move |d| (-0.5 * (d / sigma).powi(2)).exp()),
            ),
        };
        let (first, last) = match taps {
            Taps::None => ((centre + 0.5).floor(), (centre + 0.5).floor()),
            _ => ((centre - reach).floor(), (centre + reach).ceil()),
        };
        let places: Vec<isize> = (first as isize..=last as isize).collect();
        let weights = places.iter().map(|&place| weight(centre - place as f64));
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        let mut row = vec![0.0; from];
        for (place, weight) in places.into_iter().zip(weights) {
            if let Some(pixel) = padding.pixel(place, from) {
                row[pixel] += weight / sum;
            }
        }
        row
    };
    (0..to).map(row).collect()
}

impl Separable {
    /// Filters images of `size` (height, width) and takes every `factor`-th pixel from the first
    /// on.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] as [`weights`](Taps::weights), for a height or width outside 1
    /// to 16,384, or, with [`Padding::Valid`], for an image smaller than the filter.
    pub fn decimate(
        taps: Taps,
        factor: usize,
        size: [usize; 2],
        padding: Padding,
    ) -> Result<Self, OperatorError> {
        let weights = taps.weights(factor)?;
        let side = |n: usize| decimation(&weights, n, factor, padding);
        Self::new(&side(size[0])?, &side(size[1])?)
    }

    /// Enlarges images to `size` by the normalised transpose of [`decimate`](Self::decimate).
    ///
    /// The weights of every new pixel are divided by their sum, so that a constant image keeps its
    /// value. Pixels without weights, as for [`Taps::None`], are 0.
    ///
    /// # Errors
    /// As [`decimate`](Self::decimate).
    pub fn enlarge(
        taps: Taps,
        factor: usize,
        size: [usize; 2],
        padding: Padding,
    ) -> Result<Self, OperatorError> {
        let weights = taps.weights(factor)?;
        let side = |n: usize| -> Result<Vec<Vec<f64>>, OperatorError> {
            let shrink = decimation(&weights, n, factor, padding)?;
            let row = |i: usize| -> Vec<f64> {
                let column: Vec<f64> = shrink.iter().map(|row| row[i]).collect();
                let sum: f64 = column.iter().sum();
                let scale = if sum.abs() > 1e-9 { 1.0 / sum } else { 0.0 };
                column.iter().map(|weight| weight * scale).collect()
            };
            Ok((0..n).map(row).collect())
        };
        Self::new(&side(size[0])?, &side(size[1])?)
    }

    /// Resizes images as [`Resize`] does.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a height or width outside 1 to 16,384.
    pub fn resize(resize: Resize, from: [usize; 2], to: [usize; 2]) -> Result<Self, OperatorError> {
        sides([from, to])?;
        let side = |i: usize| resize.weights(from[i], to[i]);
        Self::new(&side(0), &side(1))
    }

    /// Resizes images by any filter and any factor `f`, up or down.
    ///
    /// Sample `i` is centred at `f (i + ½) − ½`. When the image shrinks, the filter is stretched by
    /// the factor. The σ of a Gaussian is in pixels of the input, and [`Taps::None`] takes the
    /// nearest pixel.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a height or width outside 1 to 16,384 or a σ outside 0 to
    /// 1,000, and [`OperatorError::Edge`] for [`Padding::Valid`].
    pub fn resample(
        taps: Taps,
        from: [usize; 2],
        to: [usize; 2],
        padding: Padding,
    ) -> Result<Self, OperatorError> {
        sides([from, to])?;
        if let Taps::Gaussian { sigma } = taps {
            let valid = sigma > 0.0 && sigma < 1e3;
            require("filter's σ", sigma, "above 0 and below 1,000 pixels", valid)?;
        }
        if padding == Padding::Valid {
            return Err(OperatorError::Edge {
                operator: "resampling by any factor",
                found: padding,
            });
        }
        let side = |i: usize| resampling(taps, from[i], to[i], padding);
        Self::new(&side(0), &side(1))
    }

    /// Resizes images to a given size as MATLAB's `imresize`.
    ///
    /// The filter is bicubic, antialiased for shrinking, with mirrored edges.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a height or width outside 1 to 16,384.
    pub fn imresize(from: [usize; 2], to: [usize; 2]) -> Result<Self, OperatorError> {
        Self::resample(Taps::Bicubic, from, to, Padding::Symmetric)
    }
}

/// `Ok` if all sides are from 1 to 16,384 pixels.
fn sides(sizes: [[usize; 2]; 2]) -> Result<(), OperatorError> {
    sizes.as_flattened().iter().try_for_each(|&n| {
        let valid = (1..=1 << 14).contains(&n);
        require("image's size", n as f64, "from 1 to 16,384", valid)
    })
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    #[test]
    fn a_constant_stays_constant() {
        let taps = [
            Taps::None,
            Taps::Bilinear,
            Taps::Bicubic,
            Taps::Sinc,
            Taps::Gaussian { sigma: 2.0 },
        ];
        for taps in taps {
            for (n, factor) in [(16, 2), (15, 3), (7, 4), (5, 1)] {
                let edges = [
                    Padding::Circular,
                    Padding::Reflect,
                    Padding::Symmetric,
                    Padding::Replicate,
                ];
                for padding in edges {
                    let shrink = Separable::decimate(taps, factor, [n, n], padding);
                    let [rows, _] = shrink.expect("an operator").matrices();
                    assert_eq!(rows.len(), n.div_ceil(factor));
                    for sum in rows.iter().map(|row| row.iter().sum::<f64>()) {
                        assert!(abs_diff_eq!(sum, 1.0, epsilon = 1e-12), "{taps:?}");
                    }
                    let enlarge = Separable::enlarge(taps, factor, [n, n], padding);
                    let [rows, _] = enlarge.expect("an operator").matrices();
                    let rows = rows.iter().filter(|_| taps != Taps::None);
                    for sum in rows.map(|row| row.iter().sum::<f64>()) {
                        assert!(abs_diff_eq!(sum, 1.0, epsilon = 1e-9), "{taps:?}");
                    }
                }
            }
        }
        for (from, to) in [(9, 4), (4, 9), (1, 3), (3, 1), (5, 5)] {
            for taps in taps {
                for row in resampling(taps, from, to, Padding::Symmetric) {
                    let sum: f64 = row.iter().sum();
                    assert!(
                        abs_diff_eq!(sum, 1.0, epsilon = 1e-12),
                        "{taps:?}, {from} to {to}"
                    );
                }
            }
        }
    }

    #[test]
    fn by_an_even_factor_a_filter_has_the_weights_of_its_taps() {
        // For an odd factor the samples are centred on pixels, unlike those of an even number of
        // taps.
        for taps in [Taps::Bilinear, Taps::Bicubic] {
            for factor in [2, 4] {
                let weights = taps.weights(factor).expect("weights");
                let row = &resampling(taps, 16 * factor, 16, Padding::Zero)[8];
                let found: Vec<f64> = row
                    .iter()
                    .copied()
                    .filter(|weight| *weight != 0.0)
                    .collect();
                let expected: Vec<f64> = weights.into_iter().filter(|w| w.abs() > 1e-15).collect();
                assert_eq!(found.len(), expected.len(), "{taps:?}");
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        abs_diff_eq!(*found, expected, epsilon = 1e-12),
                        "{taps:?} {factor}"
                    );
                }
            }
        }
    }
}
