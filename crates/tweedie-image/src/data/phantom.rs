//! Head phantoms made of ellipses, for tomography and magnetic resonance imaging.
//!
//! # Reference
//! Shepp & Logan 1974, "The Fourier reconstruction of a head section"; Toft 1996, "The Radon
//! transform: theory and implementation", table B.3 (the contrasts that can be seen).

use super::Images;
use crate::ImageError;
use crate::picture::canvas;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// An ellipse in `[−1, 1]²`, the vertical axis pointing up.
struct Ellipse {
    /// The value that is added inside the ellipse.
    value: f64,
    /// Half the width and half the height, before the rotation.
    axes: [f64; 2],
    /// The centre: to the right, and up.
    centre: [f64; 2],
    /// The counter-clockwise rotation in degrees.
    degrees: f64,
}

impl Ellipse {
    const fn new(value: f64, axes: [f64; 2], centre: [f64; 2], degrees: f64) -> Self {
        Self {
            value,
            axes,
            centre,
            degrees,
        }
    }

    fn at(&self, [x, y]: [f64; 2]) -> f64 {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let [x, y] = [x - self.centre[0], y - self.centre[1]];
        let along = (x * cos + y * sin) / self.axes[0];
        let across = (y * cos - x * sin) / self.axes[1];
        if along * along + across * across <= 1.0 {
            self.value
        } else {
            0.0
        }
    }
}

/// Toft's table.
const SHEPP_LOGAN: [Ellipse; 10] = [
    Ellipse::new(1.0, [0.69, 0.92], [0.0, 0.0], 0.0),
    Ellipse::new(-0.8, [0.6624, 0.874], [0.0, -0.0184], 0.0),
    Ellipse::new(-0.2, [0.11, 0.31], [0.22, 0.0], -18.0),
    Ellipse::new(-0.2, [0.16, 0.41], [-0.22, 0.0], 18.0),
    Ellipse::new(0.1, [0.21, 0.25], [0.0, 0.35], 0.0),
    Ellipse::new(0.1, [0.046, 0.046], [0.0, 0.1], 0.0),
    Ellipse::new(0.1, [0.046, 0.046], [0.0, -0.1], 0.0),
    Ellipse::new(0.1, [0.046, 0.023], [-0.08, -0.605], 0.0),
    Ellipse::new(0.1, [0.023, 0.023], [0.0, -0.606], 0.0),
    Ellipse::new(0.1, [0.023, 0.046], [0.06, -0.605], 0.0),
];

/// Samples per pixel, in each direction.
const FINE: usize = 4;

impl Images {
    /// Returns the Shepp–Logan phantom with Toft's contrasts, one image of `side × side` pixels.
    ///
    /// # Errors
    /// [`ImageError::NoPixels`] if `side` is 0; [`ImageError::Drawing`] for more than 2²⁶ pixels.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use tweedie_image::{Images, ValueRange};
    ///
    /// let head = Images::shepp_logan(128)?.tensor(ValueRange::Unit, &Device::flex());
    /// assert_eq!(head.dims(), [1, 1, 128, 128]);
    /// # Ok::<(), tweedie_image::ImageError>(())
    /// ```
    pub fn shepp_logan(side: usize) -> Result<Self, ImageError> {
        Self::drawn(side, [&SHEPP_LOGAN[..]])
    }

    /// Returns `count` random head phantoms of `side × side` pixels.
    ///
    /// Each is a skull of random shape that contains three to nine ellipses of random position,
    /// size and contrast. The Shepp–Logan phantom is not among them.
    ///
    /// # Errors
    /// [`ImageError::NoPixels`] if `side` is 0; [`ImageError::Drawing`] for more than 2²⁶ pixels.
    ///
    /// ```
    /// use tweedie_image::Images;
    ///
    /// assert_eq!(Images::phantoms(3, 32, 0)?.count(), 3);
    /// # Ok::<(), tweedie_image::ImageError>(())
    /// ```
    pub fn phantoms(count: usize, side: usize, seed: u64) -> Result<Self, ImageError> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Self::drawn(side, (0..count).map(|_| head(&mut random)))
    }

    fn drawn<E: AsRef<[Ellipse]>>(
        side: usize,
        heads: impl IntoIterator<Item = E>,
    ) -> Result<Self, ImageError> {
        if side == 0 {
            return Err(ImageError::NoPixels { size: [0, 0] });
        }
        canvas(side as u64, side as u64)?;
        let pixels = heads.into_iter().flat_map(|head| draw(head.as_ref(), side));
        Ok(Self {
            pixels: pixels.collect(),
            white: u8::MAX,
            channels: 1,
            size: [side, side],
            labels: None,
        })
    }
}

/// Draws ellipses in 256 greys. Each pixel is the mean of its samples.
fn draw(ellipses: &[Ellipse], side: usize) -> Vec<u8> {
    let fine = side * FINE;
    let place = |i: usize| (2 * i + 1) as f64 / fine as f64 - 1.0;
    let mut sums = vec![0.0; side * side];
    for (row, column) in (0..fine).flat_map(|row| (0..fine).map(move |column| (row, column))) {
        let at = [place(column), -place(row)];
        let value: f64 = ellipses.iter().map(|ellipse| ellipse.at(at)).sum();
        sums[row / FINE * side + column / FINE] += value.clamp(0.0, 1.0);
    }
    let grey = |sum: f64| (sum / (FINE * FINE) as f64 * 255.0).round() as u8;
    sums.into_iter().map(grey).collect()
}

fn head(random: &mut ChaCha8Rng) -> Vec<Ellipse> {
    let mut between = |low: f64, high: f64| {
        let unit = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        low + (high - low) * unit
    };
    let axes = [between(0.55, 0.8), between(0.7, 0.92)];
    let centre = [between(-0.06, 0.06), between(-0.06, 0.06)];
    let degrees = between(-15.0, 15.0);
    let (bone, brain) = (between(0.7, 1.0), between(0.1, 0.4));
    let inner = axes.map(|axis| axis * between(0.88, 0.97));
    let mut ellipses = vec![
        Ellipse::new(bone, axes, centre, degrees),
        Ellipse::new(brain - bone, inner, centre, degrees),
    ];
    for _ in 0..between(3.0, 10.0) as usize {
        // Size and distance from the centre are such that the ellipse is nearly always within the
        // skull.
        let mut size = || inner[0] * 0.03 * between(0.0, 18_f64.ln()).exp();
        let axes = [size(), size()];
        let (far, angle) = (between(0.0, 1.0).sqrt(), between(0.0, 360.0).to_radians());
        let room = inner.map(|axis| (axis - axes[0].max(axes[1])) * far);
        let (sin, cos) = angle.sin_cos();
        let sign = between(-1.0, 1.0).signum();
        let value = sign * between(0.05, 0.3);
        let centre = [centre[0] + room[0] * cos, centre[1] + room[1] * sin];
        ellipses.push(Ellipse::new(value, axes, centre, between(0.0, 180.0)));
    }
    ellipses
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use approx::abs_diff_eq;

    /// Points of the phantom, with values computed by hand from the table.
    #[test]
    fn values_of_the_table() {
        let side = 101;
        let head = Images::shepp_logan(side).expect("a head");
        let at = |x: f64, y: f64| {
            let index = |v: f64| ((v + 1.0) / 2.0 * side as f64) as usize;
            f64::from(head.pixels[index(-y) * side + index(x)]) / 255.0
        };
        for (x, y, value) in [
            (0.95, 0.95, 0.0),   // outside
            (0.0, 0.9, 1.0),     // skull
            (0.0, -0.3, 0.2),    // brain
            (0.22, 0.0, 0.0),    // right ventricle
            (-0.22, 0.0, 0.0),   // left ventricle
            (0.0, 0.35, 0.3),    // large bright ellipse
            (0.0, 0.12, 0.4),    // overlap with a small ellipse
            (-0.34, 0.38, 0.0),  // left ventricle, which leans outwards at the top
            (-0.34, -0.38, 0.2), // not at the bottom
        ] {
            assert!(
                abs_diff_eq!(at(x, y), value, epsilon = 0.003),
                "({x}, {y}): {}",
                at(x, y)
            );
        }
    }

    #[test]
    fn made_up_heads_follow_from_the_seed_and_differ() {
        let two = Images::phantoms(2, 32, 5).expect("heads");
        assert_eq!(two, Images::phantoms(2, 32, 5).expect("heads"));
        let (first, second) = two.pixels.split_at(32 * 32);
        assert_ne!(first, second);
        for head in [first, second] {
            // The first row is black, and there is bone somewhere.
            assert!(head[..32].iter().all(|&v| v == 0));
            assert!(head.iter().any(|&v| v > 120));
        }
        assert!(Images::phantoms(1, 0, 0).is_err());
    }
}
