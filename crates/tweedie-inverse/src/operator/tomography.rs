//! Parallel-beam tomography: the Radon transform by rotation and bilinear interpolation.
//!
//! Detector `s` at angle `θ` measures the sum along a ray,
//! `y_{sθ} = Σ_t x(centre + R_θ (s − c, t − c))`, [`Projector`]'s formula. The adjoint is the exact
//! transpose of the interpolation, not an interpolation of the sinogram.
//!
//! # Reference
//! Kak and Slaney 1988, "Principles of computerized tomographic imaging", chapter 3.

use super::error::{OperatorError, pixels, require, sized};
use super::{Linear, Mask, Operator};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use tweedie_ops::{CircularFilter, Projector};

/// Parallel-beam projections: images `[b, c, h, w]` to sinograms `[b, c, detectors, angles]`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Operator, Tomography};
///
/// let scan = Tomography::half_turn([32, 32], 45)?;
/// let disc = Tensor::<4>::ones([1, 1, 32, 32], &Device::flex());
/// let sinogram = scan.apply(disc.clone());
/// assert_eq!(sinogram.dims(), [1, 1, 46, 45]);
/// let restored = scan.filtered_back_projection(sinogram);
/// let error = (restored - disc).slice([0..1, 0..1, 12..20, 12..20]).abs().max();
/// assert!(error.into_scalar::<f32>() < 0.1);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "TomographyRecipe", into = "TomographyRecipe")]
pub struct Tomography {
    recipe: TomographyRecipe,
    projector: Projector,
    /// The disc that is scanned; `None` for the whole image.
    disc: Option<Mask<4>>,
    ramp: CircularFilter,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TomographyRecipe {
    size: [usize; 2],
    angles: Vec<f64>,
    detectors: usize,
    centre: [f64; 2],
    offset: f64,
    disc: bool,
}

impl TryFrom<TomographyRecipe> for Tomography {
    type Error = OperatorError;

    fn try_from(recipe: TomographyRecipe) -> Result<Self, OperatorError> {
        Self::of(recipe)
    }
}

impl From<Tomography> for TomographyRecipe {
    fn from(scan: Tomography) -> Self {
        scan.recipe
    }
}

impl PartialEq for Tomography {
    fn eq(&self, other: &Self) -> bool {
        self.recipe == other.recipe
    }
}

impl Tomography {
    /// Projections of images of `size` (height, width) at the given angles, in degrees.
    ///
    /// The number of detectors is the diagonal of the image in pixels, rounded up.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for an empty image, a diagonal above 8,192 pixels, no angles,
    /// or an angle that is not finite.
    pub fn new(size: [usize; 2], degrees: &[f64]) -> Result<Self, OperatorError> {
        Self::of(TomographyRecipe {
            size,
            angles: degrees.iter().map(|angle| angle.to_radians()).collect(),
            detectors: (size[0] as f64).hypot(size[1] as f64).ceil() as usize,
            centre: size.map(|n| (n as f64 - 1.0) / 2.0),
            offset: 0.0,
            disc: false,
        })
    }

    /// Projections at `count` angles, spaced evenly over half a turn from 0 on.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn half_turn(size: [usize; 2], count: usize) -> Result<Self, OperatorError> {
        let degrees: Vec<f64> = (0..count)
            .map(|i| 180.0 * i as f64 / count as f64)
            .collect();
        Self::new(size, &degrees)
    }

    /// Scans only the inscribed disc of square images, with one detector per column.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for images that are not square.
    pub fn with_disc(self) -> Result<Self, OperatorError> {
        Self::of(TomographyRecipe {
            detectors: self.recipe.size[1],
            disc: true,
            ..self.recipe
        })
    }

    /// Rotates images about `centre` (row, column) instead of their middle.
    ///
    /// This can match deepinv, which pads some images unevenly and then rotates them about a point
    /// half a pixel off.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for a centre that is not finite.
    pub fn with_centre(self, centre: [f64; 2]) -> Result<Self, OperatorError> {
        Self::of(TomographyRecipe {
            centre,
            ..self.recipe
        })
    }

    /// Moves the detectors by `offset` pixels, as where the axis of rotation does not project onto
    /// their middle. [`filtered_back_projection`](Self::filtered_back_projection) takes it into
    /// account.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for an offset that is not finite.
    pub fn with_detector_offset(self, offset: f64) -> Result<Self, OperatorError> {
        Self::of(TomographyRecipe {
            offset,
            ..self.recipe
        })
    }

    fn of(recipe: TomographyRecipe) -> Result<Self, OperatorError> {
        let ([h, w], count) = (recipe.size, recipe.angles.len());
        pixels([h, w])?;
        if recipe.disc {
            require("width of a disc's image", w as f64, "its height", h == w)?;
        }
        require("number of angles", count as f64, "at least 1", count > 0)?;
        let detectors = recipe.detectors;
        let few = (1..=1 << 13).contains(&detectors);
        let expected = "from 1 to 8,192";
        require("number of detectors", detectors as f64, expected, few)?;
        for place in recipe.centre {
            require("centre", place, "finite", place.is_finite())?;
        }
        let offset = recipe.offset;
        require("detector offset", offset, "finite", offset.is_finite())?;
        for &angle in &recipe.angles {
            require("angle", angle, "finite", angle.is_finite())?;
        }
        let reach = |i: usize, n: usize| match n {
            1 => 0.0,
            n => 2.0 * i as f64 / (n as f64 - 1.0) - 1.0,
        };
        let disc = recipe.disc.then(|| {
            Mask::of_pixels([h, w], |row, column| {
                reach(row, h).powi(2) + reach(column, w).powi(2) <= 1.0
            })
        });
        Ok(Self {
            projector: Projector::new(recipe.size, &recipe.angles, recipe.detectors, recipe.centre)
                .with_offset(offset),
            disc,
            ramp: ramp(recipe.detectors),
            recipe,
        })
    }

    /// Filtered back-projection: `π/(2 K) Aᵀ (q ∗ y)` with `K` angles.
    ///
    /// `q` is the ramp filter `|f|`, sampled in space. The result inverts `A` up to interpolation
    /// error, provided that the angles cover half a turn evenly.
    ///
    /// # Panics
    /// For a sinogram of another shape.
    #[must_use]
    pub fn filtered_back_projection(&self, y: Tensor<4>) -> Tensor<4> {
        if let Err(error) = self.input_shape(y.dims()) {
            panic!("{error}");
        }
        let [b, c, n, k] = y.dims();
        let [_, length] = self.ramp.size();
        // One row per angle.
        let rows = y.swap_dims(2, 3).reshape([b * c * k, 1, 1, n]);
        let rows = rows.pad((0, length - n, 0, 0), 0.0);
        let filtered = self.ramp.forward(rows).narrow(3, 0, n);
        let filtered = filtered.reshape([b, c, k, n]).swap_dims(2, 3);
        self.adjoint_unchecked(filtered) * (PI / (2.0 * k as f64))
    }

    fn sinogram(&self) -> [usize; 2] {
        [self.recipe.detectors, self.recipe.angles.len()]
    }
}

/// The ramp filter along the detectors, on a circle of at least twice their number.
///
/// Twice the values of Kak and Slaney, equation 61: `¼` at 0, `−1/(π n)²` at odd `n`, else 0.
fn ramp(detectors: usize) -> CircularFilter {
    let length = (2 * detectors).next_power_of_two().max(64);
    let value = |i: usize| match i.min(length - i) {
        0 => 0.5,
        n if n % 2 == 1 => -2.0 / (PI * n as f64).powi(2),
        _ => 0.0,
    };
    let kernel: Vec<f64> = (0..length).map(value).collect();
    CircularFilter::of_kernel(&kernel, [1, 1], [1, length])
}

impl Operator<4> for Tomography {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        sized("tomography", signal, self.recipe.size, self.sinogram())
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let seen = match &self.disc {
            Some(disc) => disc.apply_unchecked(x),
            None => x,
        };
        self.projector.forward(seen)
    }
}

impl Linear<4> for Tomography {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        sized("tomography", measured, self.sinogram(), self.recipe.size)
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        let x = self.projector.adjoint(y);
        match &self.disc {
            Some(disc) => disc.apply_unchecked(x),
            None => x,
        }
    }
}
