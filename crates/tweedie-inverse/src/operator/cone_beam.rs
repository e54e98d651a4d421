//! Cone-beam tomography: sums along rays from a source on a circle to a flat detector.
//!
//! The source turns around the depth axis. At angle θ it is at `−R (cos θ, sin θ)` in the plane of
//! (row, column), and the detector, moved to the axis, has its columns along `(−sin θ, cos θ)` and
//! its rows along the depth, one voxel apart. Detector `(v, u)` sums the volume along the ray from
//! the source through its place, at steps of one voxel, interpolated trilinearly.
//!
//! # Reference
//! Feldkamp, Davis & Kress 1984, "Practical cone-beam algorithm".

use super::error::{OperatorError, fits, require, voxels};
use super::{Linear, Operator};
use burn::tensor::Tensor;
use std::f64::consts::TAU;
use tweedie_ops::Cone;

/// Cone-beam projections of volumes `[b, c, d, h, w]`: `[b, c, views, rows, columns]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{ConeBeam, Operator};
///
/// let scan = ConeBeam::new([8, 16, 16], 24, 40.0)?.with_detector([12, 28])?;
/// let volume = Tensor::<5>::ones([1, 1, 8, 16, 16], &Device::flex());
/// assert_eq!(scan.apply(volume).dims(), [1, 1, 24, 12, 28]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConeBeam {
    size: [usize; 3],
    views: usize,
    radius: f64,
    detector: [usize; 2],
    cone: Cone,
}

impl ConeBeam {
    /// A scan of volumes of `size` (depth, height, width) in `views` over a full turn, from a
    /// source at `radius` voxels from the axis. The detector has the volume's depth and the
    /// diagonal of its slices.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for an empty volume or one of more than 2²⁴ voxels, no views or
    /// more than 65,536, or a radius that is not finite and above half the diagonal of a slice.
    pub fn new(size: [usize; 3], views: usize, radius: f64) -> Result<Self, OperatorError> {
        let diagonal = (size[1] as f64).hypot(size[2] as f64).ceil() as usize;
        Self::of(size, views, radius, [size[0], diagonal])
    }

    /// Sets the detector's rows and columns, one voxel apart on the axis.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless both are from 1 to 8,192.
    pub fn with_detector(self, detector: [usize; 2]) -> Result<Self, OperatorError> {
        Self::of(self.size, self.views, self.radius, detector)
    }

    fn of(
        size: [usize; 3],
        views: usize,
        radius: f64,
        detector: [usize; 2],
    ) -> Result<Self, OperatorError> {
        voxels(size)?;
        let few = (1..=1 << 16).contains(&views);
        require("number of views", views as f64, "from 1 to 65,536", few)?;
        let reach = (size[1] as f64).hypot(size[2] as f64) / 2.0;
        let outside = radius.is_finite() && radius > reach;
        let expected = "finite and above half a slice's diagonal";
        require("radius of the source", radius, expected, outside)?;
        for count in detector {
            let few = (1..=1 << 13).contains(&count);
            require("number of detectors", count as f64, "from 1 to 8,192", few)?;
        }
        let angles: Vec<f64> = (0..views).map(|i| TAU * i as f64 / views as f64).collect();
        Ok(Self {
            cone: Cone::new(size, &angles, detector, radius),
            size,
            views,
            radius,
            detector,
        })
    }

    fn projections(&self) -> [usize; 3] {
        [self.views, self.detector[0], self.detector[1]]
    }
}

/// The shape of the result, if the last three dimensions are `from`.
fn sized(
    found: [usize; 5],
    from: [usize; 3],
    [a, b, c]: [usize; 3],
) -> Result<[usize; 5], OperatorError> {
    fits("cone-beam tomography", &found, found[2..] == from, || {
        format!("[batch, channels, {}, {}, {}]", from[0], from[1], from[2])
    })?;
    Ok([found[0], found[1], a, b, c])
}

/// Merges batch and channels, which the projector treats alike.
fn merged(x: Tensor<5>, f: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<5> {
    let [b, c, d, h, w] = x.dims();
    let y = f(x.reshape([b * c, d, h, w]));
    let [_, d, h, w] = y.dims();
    y.reshape([b, c, d, h, w])
}

impl Operator<5> for ConeBeam {
    fn output_shape(&self, signal: [usize; 5]) -> Result<[usize; 5], OperatorError> {
        sized(signal, self.size, self.projections())
    }

    fn apply_unchecked(&self, x: Tensor<5>) -> Tensor<5> {
        merged(x, |x| self.cone.forward(x))
    }
}

impl Linear<5> for ConeBeam {
    fn input_shape(&self, measured: [usize; 5]) -> Result<[usize; 5], OperatorError> {
        sized(measured, self.projections(), self.size)
    }

    fn adjoint_unchecked(&self, y: Tensor<5>) -> Tensor<5> {
        merged(y, |y| self.cone.adjoint(y))
    }
}
