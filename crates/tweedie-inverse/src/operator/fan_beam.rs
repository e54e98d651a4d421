//! Fan-beam tomography: rays from a source that turns about the image, in equal angles.
//!
//! Detector `s` in the view `β` measures the ray of direction `φ = β + γ` at the distance
//! `u = R sin γ` from the centre, with `γ = (s − c) Δγ`, for a source at the distance `R`. The same
//! ray is one of parallel-beam tomography, which is how a fan is inverted: by interpolation to
//! parallel rays, then filtered back-projection.
//!
//! # Reference
//! Kak and Slaney 1988, "Principles of computerized tomographic imaging", section 3.4 (the
//! geometry) and 3.4.3 (resorting).

use super::error::{OperatorError, pixels, require, sized};
use super::{Linear, Operator, Tomography};
use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, TAU};
use tweedie_ops::Projector;

/// Fan-beam projections: images `[b, c, h, w]` to sinograms `[b, c, detectors, views]`, with views
/// spaced evenly over a full turn.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{FanBeam, Operator};
///
/// let scan = FanBeam::new([32, 32], 90, 64.0)?;
/// let square = Tensor::<4>::ones([1, 1, 32, 32], &Device::flex());
/// let sinogram = scan.apply(square.clone());
/// let restored = scan.filtered_back_projection(sinogram);
/// let error = (restored - square).slice([0..1, 0..1, 12..20, 12..20]).abs().max();
/// assert!(error.into_scalar::<f32>() < 0.1);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "FanBeamRecipe", into = "FanBeamRecipe")]
pub struct FanBeam {
    recipe: FanBeamRecipe,
    projector: Projector,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct FanBeamRecipe {
    size: [usize; 2],
    views: usize,
    detectors: usize,
    radius: f64,
}

impl TryFrom<FanBeamRecipe> for FanBeam {
    type Error = OperatorError;

    fn try_from(recipe: FanBeamRecipe) -> Result<Self, OperatorError> {
        Self::of(recipe)
    }
}

impl From<FanBeam> for FanBeamRecipe {
    fn from(scan: FanBeam) -> Self {
        scan.recipe
    }
}

impl PartialEq for FanBeam {
    fn eq(&self, other: &Self) -> bool {
        self.recipe == other.recipe
    }
}

impl FanBeam {
    /// A scan of images of `size` (height, width) in `views`, from a source at `radius` pixels from
    /// the middle of the image. The fan covers the image, with about one ray for each pixel of its
    /// diagonal.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for an empty image, a diagonal above 8,192 pixels, no views or
    /// more than 65,536, or
    /// a radius that is not finite and above half the diagonal.
    pub fn new(size: [usize; 2], views: usize, radius: f64) -> Result<Self, OperatorError> {
        let diagonal = (size[0] as f64).hypot(size[1] as f64);
        Self::of(FanBeamRecipe {
            size,
            views,
            detectors: diagonal.ceil() as usize,
            radius,
        })
    }

    /// Sets the number of detectors, over the same fan.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] unless it is from 2 to 8,192.
    pub fn with_detectors(self, detectors: usize) -> Result<Self, OperatorError> {
        Self::of(FanBeamRecipe {
            detectors,
            ..self.recipe
        })
    }

    fn of(recipe: FanBeamRecipe) -> Result<Self, OperatorError> {
        pixels(recipe.size)?;
        let (views, detectors) = (recipe.views, recipe.detectors);
        let few = (1..=1 << 16).contains(&views);
        require("number of views", views as f64, "from 1 to 65,536", few)?;
        let some = (2..=1 << 13).contains(&detectors);
        require(
            "number of detectors",
            detectors as f64,
            "from 2 to 8,192",
            some,
        )?;
        let outside = recipe.radius.is_finite() && recipe.radius > recipe.reach();
        let expected = "finite and above half the image's diagonal";
        require("radius of the source", recipe.radius, expected, outside)?;
        let angles: Vec<f64> = (0..views).map(|i| TAU * i as f64 / views as f64).collect();
        let (step, radius) = (recipe.step(), recipe.radius);
        Ok(Self {
            projector: Projector::fan(recipe.size, &angles, detectors, radius, step),
            recipe,
        })
    }

    /// Interpolates a sinogram to that of parallel rays at as many angles over half a turn, as
    /// [`Tomography::half_turn`] measures them.
    ///
    /// # Panics
    /// For a sinogram of another shape.
    #[must_use]
    pub fn parallel(&self, y: Tensor<4>) -> Tensor<4> {
        if let Err(error) = self.input_shape(y.dims()) {
            panic!("{error}");
        }
        let FanBeamRecipe { views, radius, .. } = self.recipe;
        let [b, c, n, _] = y.dims();
        let lines = self.lines();
        let flat: Tensor<2> = y.reshape([b * c, n * views]);
        let (mut places, mut weights) =
            ([(); 4].map(|()| Vec::new()), [(); 4].map(|()| Vec::new()));
        for line in 0..lines {
            let u = line as f64 - (lines as f64 - 1.0) / 2.0;
            let gamma = (u / radius).asin();
            let s = gamma / self.recipe.step() + (n as f64 - 1.0) / 2.0;
            for angle in 0..views {
                let view = (PI * angle as f64 / views as f64 - gamma) / TAU * views as f64;
                let (down, right) = (s.floor(), view.floor());
                let corners = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)];
                for (corner, (i, j)) in corners.into_iter().enumerate() {
                    let (row, column) = (down + i, (right + j).rem_euclid(views as f64));
                    let inside = row >= 0.0 && row < n as f64;
                    let near = (1.0 - (row - s).abs()) * (1.0 - (right + j - view).abs());
                    let row = row.clamp(0.0, (n - 1) as f64) as usize;
                    places[corner].push((row * views + column as usize % views) as i64);
                    weights[corner].push(if inside { near } else { 0.0 });
                }
            }
        }
        let (device, dtype) = (flat.device(), flat.dtype());
        let corners = places.into_iter().zip(weights).map(|(places, weights)| {
            let count = places.len();
            let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &device);
            let weights = TensorData::new(weights, [1, count]);
            flat.clone().select(1, places) * Tensor::<2>::from_data(weights, (&device, dtype))
        });
        let sum = corners.reduce(|sum, corner| sum + corner);
        let sum = sum.unwrap_or_else(|| unreachable!("four corners"));
        sum.reshape([b, c, lines, views])
    }

    /// Interpolates to parallel rays and inverts by [`Tomography::filtered_back_projection`].
    ///
    /// # Panics
    /// For a sinogram of another shape.
    #[must_use]
    pub fn filtered_back_projection(&self, y: Tensor<4>) -> Tensor<4> {
        let parallel = Tomography::half_turn(self.recipe.size, self.recipe.views);
        match parallel {
            Ok(scan) => scan.filtered_back_projection(self.parallel(y)),
            Err(error) => unreachable!("the same image and views: {error}"),
        }
    }

    /// The number of parallel rays that cover the image.
    fn lines(&self) -> usize {
        (2.0 * self.recipe.reach()).ceil() as usize
    }

    fn sinogram(&self) -> [usize; 2] {
        [self.recipe.detectors, self.recipe.views]
    }
}

impl FanBeamRecipe {
    /// Half the diagonal of the image.
    fn reach(&self) -> f64 {
        (self.size[0] as f64).hypot(self.size[1] as f64) / 2.0
    }

    /// The angle between rays: the fan covers the disc around the image.
    fn step(&self) -> f64 {
        2.0 * (self.reach() / self.radius).asin() / (self.detectors as f64 - 1.0)
    }
}

impl Operator<4> for FanBeam {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        sized("a fan-beam scan", signal, self.recipe.size, self.sinogram())
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        self.projector.forward(x)
    }
}

impl Linear<4> for FanBeam {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        sized(
            "a fan-beam scan",
            measured,
            self.sinogram(),
            self.recipe.size,
        )
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        self.projector.adjoint(y)
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device};

    /// An image of 64×64 pixels, from row and column counted from its middle.
    fn image(value: impl Fn(f64, f64) -> f64) -> Tensor<4> {
        let pixel = |i: usize| value((i / 64) as f64 - 31.5, (i % 64) as f64 - 31.5);
        let values: Vec<f64> = (0..64 * 64).map(pixel).collect();
        let x = Tensor::<1>::from_data(&values[..], (&Device::flex(), DType::F64));
        x.reshape([1, 1, 64, 64])
    }

    fn far(a: Tensor<4>, b: Tensor<4>) -> f64 {
        let norm = |x: Tensor<4>| x.square().mean().sqrt().into_scalar::<f64>();
        norm(a - b.clone()) / norm(b)
    }

    /// A Gaussian off the middle, whose sum along a ray at the distance `d` is
    /// `√(2π) w e^{−d²/(2 w²)}`.
    #[test]
    fn rays_have_their_lengths() {
        let (row, column, width) = (7.0, -11.0, 4.0);
        let bump = image(|i, j| {
            let square = (i - row).powi(2) + (j - column).powi(2);
            (-square / (2.0 * width * width)).exp()
        });
        let scan = FanBeam::new([64, 64], 36, 100.0).expect("a scan");
        let found = scan.apply(bump);
        let [detectors, views] = scan.sinogram();
        let exact = |i: usize| {
            let (s, view) = ((i / views) as f64, (i % views) as f64);
            let gamma = (s - (detectors as f64 - 1.0) / 2.0) * scan.recipe.step();
            let (sin, cos) = (TAU * view / views as f64 + gamma).sin_cos();
            let distance = -sin * row + cos * column - 100.0 * gamma.sin();
            TAU.sqrt() * width * (-distance * distance / (2.0 * width * width)).exp()
        };
        let exact: Vec<f64> = (0..detectors * views).map(exact).collect();
        let exact = Tensor::<1>::from_data(&exact[..], (&Device::flex(), DType::F64));
        let gap = far(found, exact.reshape([1, 1, detectors, views]));
        assert!(gap < 0.02, "{gap}");
    }

    #[test]
    fn a_fan_is_a_parallel_scan_in_another_order() {
        let smooth = image(|i, j| {
            let inside = 1.0 - (i * i + j * j) / 900.0;
            inside.max(0.0).powi(2) * (1.0 + 0.5 * (0.2 * i + 0.1 * j).sin())
        });
        let scan = FanBeam::new([64, 64], 180, 90.0).expect("a scan");
        let fan = scan.apply(smooth.clone());
        let parallel = Tomography::half_turn([64, 64], 180).expect("a scan");
        let gap = far(scan.parallel(fan.clone()), parallel.apply(smooth.clone()));
        assert!(gap < 0.01, "{gap}");
        let gap = far(scan.filtered_back_projection(fan), smooth);
        assert!(gap < 0.03, "{gap}");
    }

    #[test]
    fn a_source_within_the_image_is_refused() {
        assert!(FanBeam::new([64, 64], 10, 45.0).is_err());
        assert!(FanBeam::new([64, 64], 0, 100.0).is_err());
        let scan = FanBeam::new([64, 64], 10, 100.0).expect("a scan");
        assert!(scan.with_detectors(1).is_err());
    }
}
