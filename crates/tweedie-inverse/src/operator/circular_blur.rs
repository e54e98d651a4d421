//! Circular convolution, which is diagonal in the Fourier basis.
//!
//! `y_i = Σ_k h_k x_{i + c − k}` with the centre `c` of the kernel, indices modulo the size. With
//! the spectrum `H = |H| e^{iφ}`, `A = F⁻¹ H F`; since `|H|` is even, `A = U Σ Vᵀ` with the real
//! and orthogonal Hartley transform `V = Re F − Im F`, `Σ = |H|` and `U = F⁻¹ e^{iφ} F V`.

use super::error::{pixels, require, sized};
use super::spectral::{Spectral, cutoff};
use super::{
    ConjugateGradient, Linear, Operator, OperatorError, PointSpread, Solution, SolveError,
};
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};
use tweedie_ops::{CircularFilter, Constant, Sign, fft2};

/// A blur of images of one size with circular padding.
///
/// This is a true convolution: the kernel is mirrored compared with the cross-correlation of neural
/// networks. All equations have a closed form.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_inverse::operator::{CircularBlur, Linear, Operator, PointSpread};
///
/// let blur = CircularBlur::new(PointSpread::uniform([3, 2])?, [10, 15])?;
/// let x = Tensor::<4>::random([1, 3, 10, 15], Distribution::Default, &Device::flex());
/// let y = blur.apply(x);
/// let again = blur.apply(blur.pinv(y.clone())?.x);
/// assert!((again - y).abs().max().into_scalar::<f32>() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "BlurRecipe", into = "BlurRecipe")]
pub struct CircularBlur {
    kernel: PointSpread,
    filter: CircularFilter,
    /// What only the spectral form needs.
    polar: Arc<OnceLock<Polar>>,
    /// `1/H` for `f32` and for `f64`, or 0 where `H` is negligible in that precision.
    inverse: [Arc<OnceLock<CircularFilter>>; 2],
}

/// `H = |H| e^{iφ}`, both 0 where `H` is negligible.
#[derive(Debug)]
struct Polar {
    magnitudes: Constant<4>,
    phase: CircularFilter,
}

#[derive(Serialize, Deserialize)]
struct BlurRecipe {
    kernel: PointSpread,
    size: [usize; 2],
}

impl TryFrom<BlurRecipe> for CircularBlur {
    type Error = OperatorError;

    fn try_from(recipe: BlurRecipe) -> Result<Self, OperatorError> {
        Self::new(recipe.kernel, recipe.size)
    }
}

impl From<CircularBlur> for BlurRecipe {
    fn from(blur: CircularBlur) -> Self {
        let size = blur.filter.size();
        let kernel = blur.kernel;
        Self { kernel, size }
    }
}

impl CircularBlur {
    /// The convolution of images of `size` (height, width) with `kernel`, which may be larger.
    ///
    /// # Errors
    /// [`OperatorError::Parameter`] for an empty image, or if values of a kernel larger than the
    /// image add up to a value that is not finite.
    pub fn new(kernel: PointSpread, size: [usize; 2]) -> Result<Self, OperatorError> {
        pixels(size)?;
        let centre = kernel.size().map(|n| n / 2);
        let embedded = kernel.embedded(size, centre);
        // A kernel larger than the image wraps around. Its values add up and may overflow.
        for &value in &embedded {
            require("kernel's value", value, "finite", value.is_finite())?;
        }
        let filter = CircularFilter::of_kernel(&embedded, [1, 1], size);
        Ok(Self {
            kernel,
            polar: Arc::default(),
            filter,
            inverse: Default::default(),
        })
    }

    fn polar(&self) -> &Polar {
        self.polar.get_or_init(|| {
            let magnitudes = self.filter.magnitudes();
            let none = 1e-15 * largest(&magnitudes);
            Polar {
                phase: self.filter.map(|h| {
                    if h.norm() > none {
                        h / h.norm()
                    } else {
                        0.0 * h
                    }
                }),
                magnitudes: magnitudes.map(|s| if s > none { s } else { 0.0 }),
            }
        })
    }
}

fn largest(magnitudes: &Constant<4>) -> f64 {
    magnitudes.values().iter().fold(0.0, |a: f64, &b| a.max(b))
}

/// `Re F x − Im F x`: orthogonal, symmetric, its own inverse.
fn hartley(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let x = x.reshape([b * c, 1, h, w]);
    let z = fft2(
        Tensor::cat(vec![x.clone(), x.zeros_like()], 1),
        Sign::Forward,
    );
    (z.clone().narrow(1, 0, 1) - z.narrow(1, 1, 1)).reshape([b, c, h, w])
}

impl Operator<4> for CircularBlur {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let size = self.filter.size();
        sized("circular blur", signal, size, size)
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        self.filter.forward(x)
    }
}

impl Linear<4> for CircularBlur {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        self.output_shape(measured)
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        self.filter.adjoint(y)
    }

    /// One filter, `1/(|H|² + shift)`.
    fn solve_unchecked(
        &self,
        b: Tensor<4>,
        shift: f64,
        _: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
        let filter = self.filter.map(|h| (h.norm_sqr() + shift).recip().into());
        Ok(Solution::exact(filter.forward(b)))
    }

    /// One filter, `1/H`.
    fn pinv_unchecked(
        &self,
        y: Tensor<4>,
        _: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
        let [single, double] = &self.inverse;
        let known = if y.dtype() == DType::F64 {
            double
        } else {
            single
        };
        let filter = known.get_or_init(|| {
            let none = cutoff(y.dtype()) * largest(&self.filter.magnitudes());
            self.filter
                .map(|h| if h.norm() > none { h.inv() } else { 0.0 * h })
        });
        Ok(Solution::exact(filter.forward(y)))
    }
}

impl Spectral<4> for CircularBlur {
    fn singular_values(&self, like: &Tensor<4>) -> Tensor<4> {
        self.polar().magnitudes.beside(like)
    }

    fn signal_to_spectrum(&self, x: Tensor<4>) -> Tensor<4> {
        hartley(x)
    }

    fn spectrum_to_signal(&self, c: Tensor<4>) -> Tensor<4> {
        hartley(c)
    }

    fn measured_to_spectrum(&self, y: Tensor<4>) -> Tensor<4> {
        hartley(self.polar().phase.adjoint(y))
    }

    fn spectrum_to_measured(&self, c: Tensor<4>) -> Tensor<4> {
        self.polar().phase.forward(hartley(c))
    }
}
