//! Compressed sensing with a matrix: every measurement is a weighted sum of all values.

use super::error::{OperatorError, finite, require, sample};
use super::spectral::{self, Spectral};
use super::svd::Factors;
use super::{ConjugateGradient, Solution, SolveError};
use super::{Linear, Operator};
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};
use tweedie_ops::Constant;

/// `y = M x` with `x` in row-major order: `[b, c, h, w]` to `[b, 1, 1, m]`.
///
/// A matrix of at most 1,024 rows and columns is decomposed once, at the first solve, in `O(n³)`.
/// Equations with larger matrices are solved by conjugate gradients.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::operator::{Matrix, Operator};
///
/// let sensing = Matrix::gaussian([1, 8, 8], 20, 7)?;
/// assert_eq!(sensing.apply(Tensor::ones([2, 1, 8, 8], &Device::flex())).dims(), [2, 1, 1, 20]);
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "MatrixRecipe", into = "MatrixRecipe")]
pub struct Matrix {
    matrix: Arc<Constant<2>>,
    signal: [usize; 3],
    factors: Arc<OnceLock<Factors>>,
}

#[derive(Serialize, Deserialize)]
struct MatrixRecipe {
    matrix: Constant<2>,
    signal: [usize; 3],
}

impl TryFrom<MatrixRecipe> for Matrix {
    type Error = OperatorError;

    fn try_from(recipe: MatrixRecipe) -> Result<Self, OperatorError> {
        Self::new(recipe.matrix, recipe.signal)
    }
}

impl From<Matrix> for MatrixRecipe {
    fn from(dense: Matrix) -> Self {
        Self {
            matrix: (*dense.matrix).clone(),
            signal: dense.signal,
        }
    }
}

/// The largest number of rows or columns of a matrix that is decomposed.
const SMALL: usize = 1024;

impl Matrix {
    /// Measurements of signals `[c, h, w]` by the rows of a matrix.
    ///
    /// # Errors
    /// [`OperatorError::Length`] unless the matrix has `c h w` columns;
    /// [`OperatorError::Parameter`] for no rows or values that are not finite.
    pub fn new(matrix: Constant<2>, signal: [usize; 3]) -> Result<Self, OperatorError> {
        let [m, n] = matrix.shape();
        let product = signal
            .iter()
            .try_fold(1_usize, |all, &n| all.checked_mul(n));
        let expected = product.unwrap_or(usize::MAX);
        require("number of measurements", m as f64, "at least 1", m > 0)?;
        if n != expected || n == 0 {
            return Err(OperatorError::Length {
                values: "a row of the matrix",
                found: n,
                expected,
            });
        }
        finite("matrix's value", &matrix)?;
        Ok(Self {
            matrix: Arc::new(matrix),
            signal,
            factors: Arc::default(),
        })
    }

    /// `m` measurements with independent weights `N(0, 1/m)`, so that `E ‖M x‖² = ‖x‖²`.
    ///
    /// # Errors
    /// [`OperatorError`] for no measurements or an empty signal.
    pub fn gaussian(signal: [usize; 3], m: usize, seed: u64) -> Result<Self, OperatorError> {
        let n = signal.iter().try_fold(m, |count, &n| count.checked_mul(n));
        let few = n.is_some_and(|count| count <= 1 << 27);
        require(
            "number of weights",
            m as f64,
            "such that all are at most 2²⁷",
            few,
        )?;
        require("number of measurements", m as f64, "at least 1", m > 0)?;
        let n: usize = signal.iter().product();
        let values = normals(m * n, seed).map(|z| z / (m as f64).sqrt());
        Self::new(Constant::new(values.collect(), [m, n]), signal)
    }

    fn factors(&self) -> &Factors {
        self.factors.get_or_init(|| Factors::of(&self.matrix))
    }

    fn is_small(&self) -> bool {
        self.matrix.shape().into_iter().max() <= Some(SMALL)
    }
}

/// `count` independent standard normal values from a seed.
pub(crate) fn normals(count: usize, seed: u64) -> impl Iterator<Item = f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(move |_| StandardNormal.sample(&mut random))
}

/// `M x` of every sample: `[b, c, h, w]` to `[b, m]`.
pub(crate) fn rows(matrix: Tensor<2>, x: Tensor<4>) -> Tensor<2> {
    let [batch, c, h, w] = x.dims();
    let flat: Tensor<2> = x.reshape([batch, c * h * w]);
    flat.matmul(matrix.transpose())
}

impl Operator<4> for Matrix {
    fn output_shape(&self, signal: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        sample(
            "dense operator",
            signal,
            self.signal,
            [1, 1, self.matrix.shape()[0]],
        )
    }

    fn apply_unchecked(&self, x: Tensor<4>) -> Tensor<4> {
        rows(self.matrix.beside(&x), x).unsqueeze_dims(&[1, 1])
    }
}

impl Linear<4> for Matrix {
    fn input_shape(&self, measured: [usize; 4]) -> Result<[usize; 4], OperatorError> {
        sample(
            "dense operator",
            measured,
            [1, 1, self.matrix.shape()[0]],
            self.signal,
        )
    }

    fn adjoint_unchecked(&self, y: Tensor<4>) -> Tensor<4> {
        let ([b, ..], [c, h, w]) = (y.dims(), self.signal);
        rows(self.matrix.beside(&y).transpose(), y).reshape([b, c, h, w])
    }

    fn solve_unchecked(
        &self,
        b: Tensor<4>,
        shift: f64,
        iterations: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
        match self.is_small() {
            true => spectral::solve(self, b, shift),
            false => iterations.solve(self, b, shift),
        }
    }

    fn pinv_unchecked(
        &self,
        y: Tensor<4>,
        iterations: ConjugateGradient,
    ) -> Result<Solution<4>, SolveError> {
        match self.is_small() {
            true => spectral::pinv(self, y),
            false => iterations.pinv(self, y),
        }
    }
}

impl Spectral<4> for Matrix {
    fn singular_values(&self, like: &Tensor<4>) -> Tensor<4> {
        let [c, h, w] = self.signal;
        Constant::new(self.factors().values.clone(), [1, c, h, w]).beside(like)
    }

    fn signal_to_spectrum(&self, x: Tensor<4>) -> Tensor<4> {
        rows(self.factors().right.beside(&x).transpose(), x.clone()).reshape(x.dims())
    }

    fn spectrum_to_signal(&self, c: Tensor<4>) -> Tensor<4> {
        rows(self.factors().right.beside(&c), c.clone()).reshape(c.dims())
    }

    fn measured_to_spectrum(&self, y: Tensor<4>) -> Tensor<4> {
        let ([b, ..], [c, h, w]) = (y.dims(), self.signal);
        rows(self.factors().left.beside(&y).transpose(), y).reshape([b, c, h, w])
    }

    fn spectrum_to_measured(&self, c: Tensor<4>) -> Tensor<4> {
        rows(self.factors().left.beside(&c), c).unsqueeze_dims(&[1, 1])
    }
}
