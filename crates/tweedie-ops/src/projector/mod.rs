//! Parallel and fan-beam projections of an image by rotation and bilinear interpolation, and their
//! transpose.

#[cfg(feature = "flex")]
mod host;
mod select;

use crate::Constant;
use burn::tensor::Tensor;
use std::sync::{Arc, OnceLock};

/// Sums along rays. A ray of direction `φ` at the distance `u` from the centre sums the image at
///
/// `row = −sin φ u + cos φ (t − (n − 1)/2) + centre_row`,
/// `column = cos φ u + sin φ (t − (n − 1)/2) + centre_column`
///
/// for `t = 0 … n − 1`, interpolated bilinearly, 0 outside of the image.
///
/// Rays are parallel or a fan. With `S` detectors and `c = (S − 1)/2 − offset`, parallel ones have
/// `φ = θ`, `u = s − c` for detector `s` at angle `θ`, and `n = S`; at `θ = 0` a detector sums a
/// column. In a fan they come from a source at the distance `R` from the centre, in equal angles:
/// `φ = θ + γ` and `u = R sin γ` with `γ = (s − c) Δγ`, and `n` is the diagonal of the image,
/// rounded up.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_ops::Projector;
///
/// let x = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, 4.0]]]], &Device::flex());
/// let sums = Projector::new([2, 2], &[0.0], 2, [0.5, 0.5]).forward(x);
/// assert_eq!(sums.into_data().iter::<f32>().collect::<Vec<_>>(), [4.0, 6.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Projector(Arc<Geometry>);

#[derive(Debug)]
struct Geometry {
    size: [usize; 2],
    /// `(cos θ, sin θ)` of each angle.
    directions: Vec<(f64, f64)>,
    detectors: usize,
    /// The number of samples along a ray.
    samples: usize,
    centre: [f64; 2],
    /// How far the detectors are moved, in detectors.
    offset: f64,
    /// The rays of a fan; parallel ones otherwise.
    fan: Option<Fan>,
    /// `s − c` and `t − c` of every sample, for devices without a host kernel.
    grid: OnceLock<[Constant<2>; 2]>,
}

/// A source at a distance in pixels, and the angle between its rays in radians.
#[derive(Clone, Copy, Debug)]
struct Fan {
    radius: f64,
    step: f64,
}

impl Geometry {
    fn grid(&self) -> &[Constant<2>; 2] {
        self.grid.get_or_init(|| {
            let (n, count) = (self.samples, self.detectors * self.samples);
            let grid = |length: usize, offset: f64, place: fn(usize, usize) -> usize| {
                let shift = (length as f64 - 1.0) / 2.0 - offset;
                let values = (0..count).map(|i| place(i, n) as f64 - shift);
                Constant::new(values.collect(), [1, count])
            };
            [
                grid(self.detectors, self.offset, |i, n| i / n),
                grid(n, 0.0, |i, n| i % n),
            ]
        })
    }
}

impl Projector {
    /// Creates parallel projections of images of `size` (height, width) along `angles` in radians.
    ///
    /// There are `detectors` detectors, spaced by one pixel, and as many samples along a ray. The
    /// image rotates around `centre` (row, column), in pixels.
    ///
    /// # Panics
    /// If there are no pixels, angles or detectors, or if an angle or the centre is not finite.
    #[must_use]
    pub fn new(size: [usize; 2], angles: &[f64], detectors: usize, centre: [f64; 2]) -> Self {
        Self::of(size, angles, [detectors, detectors], centre, None)
    }

    /// Creates the projections of a fan from a source at `radius` pixels from the centre of the
    /// image, with `step` radians between its rays.
    ///
    /// # Panics
    /// As [`new`](Self::new), and unless radius and step are finite and above 0.
    #[must_use]
    pub fn fan(size: [usize; 2], angles: &[f64], detectors: usize, radius: f64, step: f64) -> Self {
        let valid = radius > 0.0 && radius.is_finite() && step > 0.0 && step.is_finite();
        assert!(valid, "projector: a fan of radius {radius} and step {step}");
        let samples = (size[0] as f64).hypot(size[1] as f64).ceil() as usize;
        let centre = size.map(|n| (n as f64 - 1.0) / 2.0);
        let fan = Some(Fan { radius, step });
        Self::of(size, angles, [detectors, samples], centre, fan)
    }

    fn of(
        size: [usize; 2],
        angles: &[f64],
        [detectors, samples]: [usize; 2],
        centre: [f64; 2],
        fan: Option<Fan>,
    ) -> Self {
        assert!(
            !size.contains(&0) && detectors > 0 && !angles.is_empty(),
            "projector: {} angles of {detectors} detectors for {size:?} pixels",
            angles.len()
        );
        assert!(
            angles
                .iter()
                .chain(&centre)
                .all(|number| number.is_finite()),
            "projector: an angle or a centre that is not finite"
        );
        let directions = angles.iter().map(|angle| (angle.cos(), angle.sin()));
        Self(Arc::new(Geometry {
            size,
            directions: directions.collect(),
            detectors,
            samples,
            centre,
            offset: 0.0,
            fan,
            grid: OnceLock::new(),
        }))
    }

    /// Moves the detectors by `offset` of them, as where the axis of rotation does not project onto
    /// their middle.
    ///
    /// # Panics
    /// If the offset is not finite.
    #[must_use]
    pub fn with_offset(self, offset: f64) -> Self {
        assert!(offset.is_finite(), "projector: an offset of {offset}");
        let geometry = &*self.0;
        Self(Arc::new(Geometry {
            size: geometry.size,
            directions: geometry.directions.clone(),
            detectors: geometry.detectors,
            samples: geometry.samples,
            centre: geometry.centre,
            offset,
            fan: geometry.fan,
            grid: OnceLock::new(),
        }))
    }

    /// Projects `[b, c, h, w]` to `[b, c, detectors, angles]`.
    ///
    /// # Panics
    /// If height and width are not those of the projector.
    #[must_use]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        assert_eq!(
            x.dims()[2..],
            self.0.size,
            "height and width of the projector"
        );
        #[cfg(feature = "flex")]
        if crate::host::is_host(&x) {
            return crate::host::run(self.0.clone(), x, crate::host::Direction::Forward);
        }
        self.0.project(x)
    }

    /// Applies the transpose: `[b, c, detectors, angles]` to `[b, c, h, w]`.
    ///
    /// # Panics
    /// If detectors and angles are not those of the projector.
    #[must_use]
    pub fn adjoint(&self, y: Tensor<4>) -> Tensor<4> {
        let shape = [self.0.detectors, self.0.directions.len()];
        assert_eq!(
            y.dims()[2..],
            shape,
            "detectors and angles of the projector"
        );
        #[cfg(feature = "flex")]
        if crate::host::is_host(&y) {
            return crate::host::run(self.0.clone(), y, crate::host::Direction::Transposed);
        }
        self.0.backproject(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw;
    use approx::assert_abs_diff_eq;
    use burn::tensor::DType;

    #[test]
    fn the_host_and_every_other_device_agree() {
        let random = |shape: [usize; 4], dtype| draw::normal(shape, 0.0, 1.0, dtype);
        for (size, n) in [([8, 8], 12), ([5, 9], 11), ([1, 1], 2), ([7, 3], 3)] {
            for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F64, 1e-12)] {
                let angles = [0.0, 0.3, 1.2, std::f64::consts::FRAC_PI_2, 2.5, -0.7];
                let centre = size.map(|n| (n as f64 - 1.0) / 2.0);
                let parallel = Projector::new(size, &angles, n, centre);
                let fan = Projector::fan(size, &angles, n, 9.0, 0.07);
                let moved = [
                    parallel.clone().with_offset(0.4),
                    fan.clone().with_offset(-1.3),
                ];
                for projector in [parallel, fan].into_iter().chain(moved) {
                    let x = random([2, 3, size[0], size[1]], dtype);
                    let y = random([2, 3, n, angles.len()], dtype);
                    let far = |a: Tensor<4>, b: Tensor<4>| (a - b).abs().max().into_scalar::<f64>();
                    let found = far(projector.forward(x.clone()), projector.0.project(x.clone()));
                    assert!(found < tolerance, "{size:?} forward: {found}");
                    let found = far(
                        projector.adjoint(y.clone()),
                        projector.0.backproject(y.clone()),
                    );
                    assert!(found < tolerance, "{size:?} adjoint: {found}");
                    let dot = |a: Tensor<4>, b: Tensor<4>| (a * b).sum().into_scalar::<f64>();
                    let (left, right) = (
                        dot(projector.forward(x.clone()), y.clone()),
                        dot(x, projector.adjoint(y)),
                    );
                    assert_abs_diff_eq!(left, right, epsilon = tolerance * left.abs().max(1.0));
                }
            }
        }
    }
}
