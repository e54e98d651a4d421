//! Separable operators, a matrix for each image axis: `Y = R_y X R_xᵀ` in every channel.
//!
//! Resampling is separable, and so is every blur whose kernel is an outer product. The singular
//! value decompositions of the two matrices give that of the operator. With `R = U Σ Vᵀ`, the
//! spectrum is `V_yᵀ X V_x`, and the singular values are the products of a singular value of each
//! matrix. The adjoint is `R_yᵀ Y R_x` and the pseudo-inverse `R_y⁺ Y R_x⁺ᵀ`.

use super::error::{OperatorError, finite, matrix, sized};
use super::spectral::{self, Spectral, cutoff};
use super::svd::Factors;
use super::{ConjugateGradient, Solution, SolveError};
use super::{Linear, Operator};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};
use tweedie_ops::Constant;

/// A separable operator on images of one size.
///
/// The matrices are decomposed on the host, once and on first use, in `O(n³)`.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_core::{Interpolation, Resize};
/// use tweedie_inverse::operator::{Linear, Operator, Separable};
///
/// let resize = Resize::new(Interpolation::Bicubic).with_antialias(true);
/// let shrink = Separable::resize(resize, [30, 20], [7, 9])?;
/// let x = Tensor::<4>::random([1, 3, 30, 20], Distribution::Default, &Device::flex());
/// let y = shrink.apply(x);
/// let restored = shrink.pinv(y.clone())?.x;
/// assert!((shrink.apply(restored) - y).abs().max().into_scalar::<f32>() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Separable {
    rows: Factor,
    columns: Factor,
}

/// A matrix with its cached decomposition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Constant<2>", into = "Constant<2>")]
struct Factor {
    matrix: Constant<2>,
    known: Arc<OnceLock<Decomposition>>,
}

#[derive(Debug)]
struct Decomposition {
    factors: Factors,
    inverse: Constant<2>,
    /// The smallest nonzero singular value, relative to the largest.
    least: f64,
}

impl TryFrom<Constant<2>> for Factor {
    type Error = OperatorError;

    fn try_from(matrix: Constant<2>) -> Result<Self, OperatorError> {
        finite("matrix's value", &matrix)?;
        let known = Arc::default();
        Ok(Self { matrix, known })
    }
}

impl From<Factor> for Constant<2> {
    fn from(side: Factor) -> Self {
        side.matrix
    }
}

impl PartialEq for Separable {
    fn eq(&self, other: &Self) -> bool {
        self.rows.matrix == other.rows.matrix && self.columns.matrix == other.columns.matrix
    }
}

impl Factor {
    fn known(&self) -> &Decomposition {
        self.known.get_or_init(|| {
            let factors = Factors::of(&self.matrix);
            let kept = factors.values.iter().filter(|value| **value > 0.0);
            let least = kept.fold(f64::INFINITY, |a: f64, &b| a.min(b));
            Decomposition {
                inverse: factors.pseudo_inverse(),
                least: least / factors.values.first().map_or(1.0, |&largest| largest),
                factors,
            }
        })
    }
}

impl Separable {
    /// The operator of two matrices, each given by its rows.
    ///
    /// `rows` acts along the height of an image (`R_y`), `columns` along its width (`R_x`).
    ///
    /// # Errors
    /// [`OperatorError`] for an empty matrix, rows of different lengths, or values that are not
    /// finite.
    pub fn new(rows: &[Vec<f64>], columns: &[Vec<f64>]) -> Result<Self, OperatorError> {
        let side = |rows: &[Vec<f64>]| Factor::try_from(matrix("a row of a matrix", rows)?);
        Ok(Self {
            rows: side(rows)?,
            columns: side(columns)?,
        })
    }

    /// The operator of the transposed matrices.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let transposed = |side: &Factor| {
            let ([m, n], values) = (side.matrix.shape(), side.matrix.values());
            let values = (0..n * m).map(|i| values[i % m * n + i / m]);
            Factor {
                matrix: Constant::new(values.collect(), [n, m]),
                known: Arc::default(),
            }
        };
        Self {
            rows: transposed(&self.rows),
            columns: transposed(&self.columns),
        }
    }

    /// The matrices `R_y` and `R_x`, each by its rows.
    #[must_use]
    pub fn matrices(&self) -> [Vec<Vec<f64>>; 2] {
        [&self.rows, &self.columns].map(|side| {
            let n = side.matrix.shape()[1];
            side.matrix
                .values()
                .chunks(n)
                .map(<[f64]>::to_vec)
                .collect()
        })
    }

    fn sizes(&self) -> ([usize; 2], [usize; 2]) {
        let ([h, from_h], [w, from_w]) = (self.rows.matrix.shape(), self.columns.matrix.shape());
        ([from_h, from_w], [h, w])
    }
}

/// `L X Rᵀ`.
fn sandwich(left: Tensor<2>, x: Tensor<4>, right: Tensor<2>) -> Tensor<4> {
    // Choose the order of the two products that needs fewer multiplications.
    let (left, right) = (left.unsqueeze::<4>(), right.transpose().unsqueeze::<4>());
    let ([.., m, h], [.., w, n]) = (left.dims(), right.dims());
    if m * h * w + m * w * n <= h * w * n + m * h * n {
        left.matmul(x).matmul(right)
    } else {
        left.matmul(x.matmul(right))
    }
}

impl Operator<4> for Separable {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let (from, to) = self.sizes();
        sized("separable operator", signal, from, to)
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        let (left, right) = (self.rows.matrix.beside(&x), self.columns.matrix.beside(&x));
        sandwich(left, x, right)
    }
}

impl Linear<4> for Separable {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        let (from, to) = self.sizes();
        sized("separable operator", measured, to, from)
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        let (left, right) = (self.rows.matrix.beside(&y), self.columns.matrix.beside(&y));
        sandwich(left.transpose(), y, right.transpose())
    }

    fn solve_unchecked(
        &self,
        b: Tensor<4>,
        shift: f64,
        _: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
        spectral::solve(self, b, shift)
    }

    fn pinv_unchecked(
        &self,
        y: Tensor<4>,
        _: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
        // If no product of singular values is negligible, two small pseudo-inverses suffice.
        let least = self.rows.known().least * self.columns.known().least;
        if least <= cutoff(y.dtype()) {
            return spectral::pinv(self, y);
        }
        let left = self.rows.known().inverse.beside(&y);
        let right = self.columns.known().inverse.beside(&y);
        Ok(Solution::exact(sandwich(left, y, right)))
    }
}

impl Spectral<4> for Separable {
    fn singular_values(&self, like: &Tensor<4>) -> Tensor<4> {
        let side = |side: &Factor, shape: [usize; 4]| {
            Constant::new(side.known().factors.values.clone(), shape).beside(like)
        };
        let ([h, w], _) = self.sizes();
        side(&self.rows, [1, 1, h, 1]) * side(&self.columns, [1, 1, 1, w])
    }

    fn signal_to_spectrum(&self, x: Tensor<4>) -> Tensor<4> {
        let side = |side: &Factor| side.known().factors.right.beside(&x).transpose();
        sandwich(side(&self.rows), x.clone(), side(&self.columns))
    }

    fn spectrum_to_signal(&self, c: Tensor<4>) -> Tensor<4> {
        let side = |side: &Factor| side.known().factors.right.beside(&c);
        sandwich(side(&self.rows), c.clone(), side(&self.columns))
    }

    fn measured_to_spectrum(&self, y: Tensor<4>) -> Tensor<4> {
        let side = |side: &Factor| side.known().factors.left.beside(&y).transpose();
        sandwich(side(&self.rows), y.clone(), side(&self.columns))
    }

    fn spectrum_to_measured(&self, c: Tensor<4>) -> Tensor<4> {
        let side = |side: &Factor| side.known().factors.left.beside(&c);
        sandwich(side(&self.rows), c.clone(), side(&self.columns))
    }
}
