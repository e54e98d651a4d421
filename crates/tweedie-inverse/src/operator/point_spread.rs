//! Point spread functions: the response of a blur to a single pixel.

use super::error::{OperatorError, pixels, require};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tweedie_ops::Constant;

/// A point spread function, the kernel of a blur.
///
/// Its centre is at row `h/2` and column `w/2`, rounded down, also for even sizes. deepinv uses the
/// same convention.
///
/// ```
/// use tweedie_inverse::operator::PointSpread;
///
/// let spread = PointSpread::gaussian(1.5)?;
/// assert_eq!(spread.size(), [13, 13]);
/// assert!((spread.values().iter().sum::<f64>() - 1.0).abs() < 1e-12);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Constant<2>", into = "Constant<2>")]
pub struct PointSpread {
    values: Constant<2>,
}

impl TryFrom<Constant<2>> for PointSpread {
    type Error = OperatorError;

    fn try_from(values: Constant<2>) -> Result<Self, OperatorError> {
        Self::new(values.values().to_vec(), values.shape())
    }
}

impl From<PointSpread> for Constant<2> {
    fn from(spread: PointSpread) -> Self {
        spread.values
    }
}

impl PointSpread {
    /// A kernel of `size` (height, width), in row-major order. It is not normalised.
    ///
    /// # Errors
    /// [`OperatorError`] for a wrong number of values, an empty kernel, or a value that is not
    /// finite.
    pub fn new(values: Vec<f64>, size: [usize; 2]) -> Result<Self, OperatorError> {
        let expected = pixels(size)?;
        if values.len() != expected {
            return Err(OperatorError::Length {
                values: "a kernel",
                found: values.len(),
                expected,
            });
        }
        for &value in &values {
            require("kernel's value", value, "finite", value.is_finite())?;
        }
        Ok(Self {
            values: Constant::new(values, size),
        })
    }

    /// A Gaussian `exp(−r²/(2σ²))` of sum 1, with σ in pixels.
    ///
    /// The kernel extends `⌊σ/0.3 + 1⌋` pixels from its centre.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless σ is above 0 and below 1,000.
    pub fn gaussian(sigma: f64) -> Result<Self, OperatorError> {
        Self::anisotropic([sigma, sigma], 0.0)
    }

    /// A Gaussian with standard deviations `sigma` (`σ_y`, `σ_x`) in pixels, rotated by `degrees`.
    ///
    /// `exp(−½ (u²/σ_x² + v²/σ_y²))` with `u = x cos θ − y sin θ`, `v = x sin θ + y cos θ`, of sum
    /// 1.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless both σ are above 0 and below 1,000 and the angle is
    /// finite.
    pub fn anisotropic(sigma: [f64; 2], degrees: f64) -> Result<Self, OperatorError> {
        for value in sigma {
            let valid = value > 0.0 && value < 1e3;
            require("blur's σ", value, "above 0 and below 1,000 pixels", valid)?;
        }
        require("blur's angle", degrees, "finite", degrees.is_finite())?;
        let reach = (sigma[0].max(sigma[1]) / 0.3 + 1.0) as usize;
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self::normalised([2 * reach + 1; 2], |row, column| {
            let (y, x) = (row - reach as f64, column - reach as f64);
            let (u, v) = (cos * x - sin * y, sin * x + cos * y);
            (-0.5 * ((u / sigma[1]).powi(2) + (v / sigma[0]).powi(2))).exp()
        })
    }

    /// A box kernel: the mean of `size` (height, width) pixels.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a size of 0.
    pub fn uniform(size: [usize; 2]) -> Result<Self, OperatorError> {
        Self::normalised(size, |_, _| 1.0)
    }

    /// The disc of an out-of-focus lens, with `radius` in pixels and an edge one pixel wide.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless the radius is at least 0 and below 1,000.
    pub fn disc(radius: f64) -> Result<Self, OperatorError> {
        let valid = (0.0..1e3).contains(&radius);
        require("radius", radius, "at least 0 and below 1,000 pixels", valid)?;
        let reach = radius.ceil();
        Self::normalised([2 * reach as usize + 1; 2], |row, column| {
            let distance = (row - reach).hypot(column - reach);
            (radius + 0.5 - distance).clamp(0.0, 1.0)
        })
    }

    /// The motion blur of a shaking camera: a smooth random path in `size × size` pixels.
    ///
    /// At `intensity` 0 the path is straight; at 1 it turns the most.
    ///
    /// The velocity is a unit vector with a smooth random angular velocity. The path is scaled to
    /// fit and its centre of mass is moved to the centre of the kernel. Its 2,000 points are spread
    /// bilinearly.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a size of 0 or an intensity outside of `[0, 1]`.
    pub fn motion(size: usize, intensity: f64, seed: u64) -> Result<Self, OperatorError> {
        const POINTS: usize = 2000;
        let within = (0.0..=1.0).contains(&intensity);
        require("intensity", intensity, "from 0 to 1", within)?;
        pixels([size; 2])?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
        let (mut angle, mut turning) = (std::f64::consts::PI * normal(), 0.0);
        let mut place = [0.0, 0.0];
        let path: Vec<[f64; 2]> = (0..POINTS)
            .map(|_| {
                turning = 0.99 * turning + 0.01 * normal();
                angle += intensity * turning;
                place = [place[0] + angle.sin(), place[1] + angle.cos()];
                place
            })
            .collect();
        let mean = [0, 1].map(|i| path.iter().map(|p| p[i]).sum::<f64>() / POINTS as f64);
        let reach = path
            .iter()
            .flat_map(|p| [0, 1].map(|i| (p[i] - mean[i]).abs()));
        let reach = reach.fold(f64::MIN_POSITIVE, f64::max);
        let centre = (size / 2) as f64;
        // Keeps the farthest point and its bilinear neighbours within the kernel.
        let room = (size as f64 - 1.0 - centre).min(centre);
        let mut values = vec![0.0; size * size];
        for point in path {
            let [row, column] = [0, 1].map(|i| centre + (point[i] - mean[i]) / reach * room);
            for (down, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let (i, j) = (
                    row.floor() + f64::from(down),
                    column.floor() + f64::from(right),
                );
                let weight = (1.0 - (row - i).abs()) * (1.0 - (column - j).abs());
                let (i, j) = (i as usize, j as usize);
                if i < size && j < size {
                    values[i * size + j] += weight;
                }
            }
        }
        Self::normalised([size; 2], |row, column| {
            values[row as usize * size + column as usize]
        })
    }

    /// The outer product of two filters, each of sum 1.
    pub(crate) fn outer(rows: &[f64], columns: &[f64]) -> Result<Self, OperatorError> {
        pixels([rows.len(), columns.len()])?;
        let values = rows
            .iter()
            .flat_map(|row| columns.iter().map(move |column| row * column));
        Self::new(values.collect(), [rows.len(), columns.len()])
    }

    fn normalised(
        size: [usize; 2],
        value: impl Fn(f64, f64) -> f64,
    ) -> Result<Self, OperatorError> {
        let each = |i: usize| value((i / size[1]) as f64, (i % size[1]) as f64);
        let values: Vec<f64> = (0..pixels(size)?).map(each).collect();
        let sum: f64 = values.iter().sum();
        Self::new(values.into_iter().map(|value| value / sum).collect(), size)
    }

    /// Height and width.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.values.shape()
    }

    /// The values in row-major order.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        self.values.values()
    }

    /// The kernel in a plane of `size`, in row-major order and wrapped around. Its upper-left
    /// corner is `offset` rows and columns before the origin.
    pub(crate) fn embedded(&self, size: [usize; 2], offset: [usize; 2]) -> Vec<f64> {
        let ([_, width], [h, w]) = (self.size(), size);
        let mut plane = vec![0.0; h * w];
        for (i, value) in self.values().iter().enumerate() {
            let back = |at: usize, offset: usize, n: usize| (at + n - offset % n) % n;
            let row = back(i / width, offset[0], h);
            plane[row * w + back(i % width, offset[1], w)] += value;
        }
        plane
    }
}
