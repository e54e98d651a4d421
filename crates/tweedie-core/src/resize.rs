//! Resizing images by separable filters: `Y = R_h X R_wᵀ`.
//!
//! The matrices contain the weights of each output row and column. With or without antialiasing,
//! every filter is a linear map with an exact gradient; its adjoint is given by the transposed
//! matrices.
//!
//! # Reference
//! Keys 1981, "Cubic convolution interpolation for digital image processing" (bicubic). The weights
//! agree with PyTorch's `interpolate` up to rounding.

use burn::tensor::{Tensor, TensorData};

/// The interpolation filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interpolation {
    /// The input pixel that contains the corner of the output pixel.
    Nearest,
    /// The input pixel that contains the centre of the output pixel.
    NearestCentre,
    /// Linear interpolation between neighbours.
    Bilinear,
    /// Cubic interpolation of four neighbours: Keys' `a` is −0.75, or −0.5 with antialiasing.
    Bicubic,
    /// The mean of all input pixels that the output pixel overlaps.
    Area,
}

/// The largest side of an image that can be resized.
const MOST_SIDE: usize = 1 << 14;

/// Resizing of images by a separable filter.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Interpolation, Resize};
///
/// let small = Tensor::<4>::ones([1, 3, 8, 8], &Device::flex());
/// let large = Resize::new(Interpolation::Bicubic).forward(small, [32, 32]);
/// assert_eq!(large.dims(), [1, 3, 32, 32]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    interpolation: Interpolation,
    antialias: bool,
    align_corners: bool,
}

impl Resize {
    /// Returns resizing by a filter, without antialiasing and without aligned corners.
    #[must_use]
    pub fn new(interpolation: Interpolation) -> Self {
        Self {
            interpolation,
            antialias: false,
            align_corners: false,
        }
    }

    /// Sets whether the filter is widened on downsampling.
    ///
    /// Only [`Bilinear`](Interpolation::Bilinear) and [`Bicubic`](Interpolation::Bicubic) use this.
    #[must_use]
    pub fn with_antialias(self, antialias: bool) -> Self {
        Self { antialias, ..self }
    }

    /// Sets whether the centres of the corner pixels of input and output coincide.
    #[must_use]
    pub fn with_align_corners(self, align_corners: bool) -> Self {
        Self {
            align_corners,
            ..self
        }
    }

    /// Resizes `[b, c, h, w]` to `[b, c, size[0], size[1]]`.
    ///
    /// # Panics
    /// As [`weights`](Self::weights).
    #[must_use]
    pub fn forward(self, x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let options = (&x.device(), x.dtype());
        let matrix = |from: usize, to: usize| {
            let weights = TensorData::new(self.weights(from, to).concat(), [1, 1, to, from]);
            Tensor::<4>::from_data(weights, options)
        };
        matrix(h, size[0])
            .matmul(x)
            .matmul(matrix(w, size[1]).transpose())
    }

    /// Returns the weights of the `to` outputs: each row has `from` numbers of sum 1.
    ///
    /// # Panics
    /// Unless both numbers are between 1 and 16,384.
    #[must_use]
    pub fn weights(self, from: usize, to: usize) -> Vec<Vec<f64>> {
        let legal = 1..=MOST_SIDE;
        assert!(
            legal.contains(&from) && legal.contains(&to),
            "resizing {from} pixels to {to}: from 1 to {MOST_SIDE}"
        );
        (0..to).map(|i| self.row(i, from, to)).collect()
    }

    fn row(self, i: usize, from: usize, to: usize) -> Vec<f64> {
        let mut row = vec![0.0; from];
        let (n, m) = (from as f64, to as f64);
        let scale = match self.align_corners {
            true if to > 1 => (n - 1.0) / (m - 1.0),
            true => 0.0,
            false => n / m,
        };
        let within = |place: f64| place.clamp(0.0, n - 1.0) as usize;
        let place = if self.align_corners {
            scale * i as f64
        } else {
            scale * (i as f64 + 0.5) - 0.5
        };
        match self.interpolation {
            Interpolation::Nearest => row[within((i as f64 * n / m).floor())] = 1.0,
            Interpolation::NearestCentre => {
                row[within(((i as f64 + 0.5) * n / m).floor())] = 1.0;
            }
            Interpolation::Area => {
                let (start, end) = (i * from / to, ((i + 1) * from).div_ceil(to));
                row[start..end].fill(1.0 / (end - start) as f64);
            }
            Interpolation::Bilinear | Interpolation::Bicubic if self.antialias => {
                self.antialiased(&mut row, i, scale);
            }
            Interpolation::Bilinear => {
                let place = place.max(0.0);
                let (floor, part) = (place.floor(), place.fract());
                row[within(floor)] += 1.0 - part;
                row[within(floor + 1.0)] += part;
            }
            Interpolation::Bicubic => {
                let floor = place.floor();
                for tap in -1..=2 {
                    let tap = floor + f64::from(tap);
                    row[within(tap)] += cubic(place - tap, -0.75);
                }
            }
        }
        row
    }

    /// Writes the weights of the filter, widened by the scale, for all pixels within its support.
    fn antialiased(self, row: &mut [f64], i: usize, scale: f64) {
        let wide = scale.max(1.0);
        let (reach, filter): (f64, fn(f64) -> f64) = match self.interpolation {
            Interpolation::Bicubic => (2.0, |x| cubic(x, -0.5)),
            _ => (1.0, |x: f64| (1.0 - x.abs()).max(0.0)),
        };
        let centre = scale * (i as f64 + 0.5);
        let first = (centre - reach * wide + 0.5).max(0.0) as usize;
        let end = ((centre + reach * wide + 0.5) as usize).min(row.len());
        for (j, weight) in row.iter_mut().enumerate().take(end).skip(first) {
            *weight = filter((j as f64 - centre + 0.5) / wide);
        }
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
}

/// Keys' cubic kernel with slope `a` at 1.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((x - 5.0) * x + 8.0) * x * a - 4.0 * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    #[test]
    fn constants_stay_constant() {
        let filters = [
            Interpolation::Nearest,
            Interpolation::NearestCentre,
            Interpolation::Bilinear,
            Interpolation::Bicubic,
            Interpolation::Area,
        ];
        for interpolation in filters {
            for (antialias, align_corners) in [(false, false), (true, false), (false, true)] {
                let resize = Resize::new(interpolation)
                    .with_antialias(antialias)
                    .with_align_corners(align_corners);
                for (from, to) in [(8, 32), (32, 8), (7, 5), (1, 3), (3, 1), (6, 6)] {
                    for row in resize.weights(from, to) {
                        let sum: f64 = row.iter().sum();
                        assert!(
                            abs_diff_eq!(sum, 1.0, epsilon = 1e-12),
                            "{resize:?} {from} {to}: {sum}"
                        );
                    }
                }
            }
        }
    }
}
