//! A Gaussian in many dimensions with few factors: `x₀ = μ + F z + √ψ ε`,
//! `x₀ ~ N(μ, F Fᵀ + diag ψ)`.
//!
//! With `D = α² ψ + σ²` and `M = I + α² Fᵀ D⁻¹ F`, the factors given a noisy state are
//! `ẑ = M⁻¹ α Fᵀ D⁻¹ (x_t − α μ)`, and with the residual `r = x_t − α μ − α F ẑ`
//!
//! | quantity | value |
//! |---|---|
//! | score | `−D⁻¹ r` |
//! | `E[x₀ ∣ x_t]` | `μ + F ẑ + α ψ D⁻¹ r` |
//! | `−2 log p(x_t)` | `(x_t − α μ)ᵀ D⁻¹ r + log det M + Σ log (2π D)` |
//!
//! `M` has as many rows as there are factors `k`. A state of `d` values costs `O(d k)`.
//!
//! # Reference
//! Tipping & Bishop 1999, "Probabilistic principal component analysis"; Bartholomew & Knott 1999
//! (factor analysis).

use super::{OracleError, check_size, check_value, matrix, row};
use crate::{DenoiseError, Denoiser, InputError};
use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;
use tweedie_math::Level;

/// A Gaussian with a covariance of low rank plus a diagonal.
///
/// It acts on states `[batch, …]` of any rank, each as one vector.
/// [`PrincipalComponents`](super::PrincipalComponents) fits it to images.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Denoiser, oracle::FactorGaussian};
/// use tweedie_math::Level;
///
/// // Two pixels that vary together, with a little noise of their own.
/// let prior = FactorGaussian::new(&[0.0, 0.0], &[vec![1.0, 1.0]], &[0.01, 0.01])?;
/// let noisy = Tensor::<2>::from_floats([[0.5, 1.5]], &Device::flex());
/// let clean = prior.denoise(noisy, Level::variance_exploding(0.5)?)?;
/// let clean = clean.into_data().try_into_vec::<f32>()?;
/// assert!((clean[0] - clean[1]).abs() < 0.05);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FactorGaussian {
    mean: DVector<f64>,
    /// `F`, one column for each factor.
    factors: DMatrix<f64>,
    /// `ψ`.
    rest: DVector<f64>,
}

/// What the states at one level need, as tensors.
struct At {
    mean: Tensor<2>,
    factors: Tensor<2>,
    /// `1/D`.
    precision: Tensor<2>,
    /// `D⁻¹ F M⁻¹ α`, which maps a centred state to its factors.
    encode: Tensor<2>,
}

impl FactorGaussian {
    /// Returns `N(mean, F Fᵀ + diag rest)`, with the columns of `F` as `factors`.
    ///
    /// # Errors
    /// [`OracleError::Size`] if the sizes differ or are 0, [`OracleError::Value`] if a value is not
    /// finite, [`OracleError::Definite`] if a variance is negative.
    pub fn new(mean: &[f64], factors: &[Vec<f64>], rest: &[f64]) -> Result<Self, OracleError> {
        let dim = mean.len();
        check_size("the mean", dim.max(1), dim)?;
        check_size("rest", dim, rest.len())?;
        for factor in factors {
            check_size("a factor", dim, factor.len())?;
        }
        for &value in mean.iter().chain(rest).chain(factors.iter().flatten()) {
            check_value("a parameter", value)?;
        }
        if let Some(&least) = rest.iter().find(|variance| **variance < 0.0) {
            return Err(OracleError::Definite {
                name: "rest",
                expected: "at least 0",
                least,
            });
        }
        let factors = DMatrix::from_fn(dim, factors.len(), |i, j| factors[j][i]);
        let [mean, rest] = [mean, rest].map(DVector::from_column_slice);
        Ok(Self::from_host(mean, factors, rest))
    }

    pub(super) fn from_host(mean: DVector<f64>, factors: DMatrix<f64>, rest: DVector<f64>) -> Self {
        Self {
            mean,
            factors,
            rest,
        }
    }

    /// The number of dimensions `d`.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// The number of factors `k`.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.factors.ncols()
    }

    /// `μ`.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        self.mean.as_slice()
    }

    /// `F` and `ψ`.
    pub(super) fn host(&self) -> (&DMatrix<f64>, &DVector<f64>) {
        (&self.factors, &self.rest)
    }

    /// The variance of each dimension.
    #[must_use]
    pub fn variances(&self) -> Vec<f64> {
        let rows = self.factors.row_iter().zip(self.rest.iter());
        rows.map(|(row, rest)| row.norm_squared() + rest).collect()
    }

    /// `D` of a level.
    fn diagonal(&self, level: Level) -> DVector<f64> {
        let (a2, s2) = (level.alpha().powi(2), level.sigma().powi(2));
        self.rest.map(|psi| a2 * psi + s2)
    }

    /// `M = I + a² Fᵀ D⁻¹ F`, which is positive definite if `D` is.
    fn inner(&self, a2: f64, diagonal: &DVector<f64>) -> DMatrix<f64> {
        let mut scaled = self.factors.clone();
        for (mut row, d) in scaled.row_iter_mut().zip(diagonal.iter()) {
            row *= a2 / d;
        }
        DMatrix::identity(self.rank(), self.rank()) + self.factors.transpose() * scaled
    }

    fn cholesky(inner: DMatrix<f64>) -> Cholesky<f64, Dyn> {
        let size = inner.nrows();
        inner.cholesky().unwrap_or_else(|| {
            // D has a zero: nothing is finite there.
            let nothing = DMatrix::from_element(size, size, f64::NAN);
            Cholesky::pack_dirty(nothing)
        })
    }

    fn at(&self, level: Level, like: &Tensor<2>) -> At {
        let alpha = level.alpha();
        let diagonal = self.diagonal(level);
        let cholesky = Self::cholesky(self.inner(alpha * alpha, &diagonal));
        let mut scaled = self.factors.clone();
        for (mut row, d) in scaled.row_iter_mut().zip(diagonal.iter()) {
            row *= alpha / d;
        }
        let encode = cholesky.solve(&scaled.transpose()).transpose();
        At {
            mean: row(&self.mean, like),
            factors: matrix(&self.factors, like),
            precision: row(&diagonal.map(f64::recip), like),
            encode: matrix(&encode, like),
        }
    }

    /// The centred state, `F ẑ` and the residual.
    fn parts(&self, x: Tensor<2>, level: Level, at: &At) -> [Tensor<2>; 3] {
        let centred = x - at.mean.clone() * level.alpha();
        if self.rank() == 0 {
            return [centred.clone(), centred.zeros_like(), centred];
        }
        let explained = centred
            .clone()
            .matmul(at.encode.clone())
            .matmul(at.factors.clone().transpose());
        let residual = centred.clone() - explained.clone() * level.alpha();
        [centred, explained, residual]
    }

    /// `[batch, …]` as rows.
    ///
    /// # Panics
    /// If a state does not have the dimensions of the Gaussian.
    fn rows<const D: usize>(&self, x: Tensor<D>) -> Tensor<2> {
        let rows = crate::shape::rows(x);
        assert_eq!(rows.dims()[1], self.dim(), "dimensions of points and law");
        rows
    }

    /// Returns `log p_t(x)` in nats for each state: `[batch, …]` to `[batch]`.
    ///
    /// It is not finite at [`Level::CLEAN`] if `rest` has a zero.
    #[must_use]
    pub fn log_density<const D: usize>(&self, x: Tensor<D>, level: Level) -> Tensor<1> {
        let x = self.rows(x);
        let at = self.at(level, &x);
        let diagonal = self.diagonal(level);
        let inner = Self::cholesky(self.inner(level.alpha().powi(2), &diagonal));
        let log_det = 2.0 * inner.l_dirty().diagonal().map(f64::ln).sum();
        let constant = log_det + diagonal.map(|d| (TAU * d).ln()).sum();
        let [centred, _, residual] = self.parts(x, level, &at);
        let quadratic = (centred * residual * at.precision).sum_dim(1);
        (quadratic.squeeze_dim(1) + constant) * -0.5
    }

    /// Returns the score `∇ log p_t(x)`. It is not finite at [`Level::CLEAN`] if `rest` has a zero.
    #[must_use]
    pub fn score<const D: usize>(&self, x: Tensor<D>, level: Level) -> Tensor<D> {
        let (shape, x) = (x.dims(), self.rows(x));
        let at = self.at(level, &x);
        let [_, _, residual] = self.parts(x, level, &at);
        (-residual * at.precision).reshape(shape)
    }

    /// Returns `E[x₀ | x_t]` for each state, also at [`Level::CLEAN`].
    #[must_use]
    pub fn posterior_mean<const D: usize>(&self, x: Tensor<D>, level: Level) -> Tensor<D> {
        if level.sigma() == 0.0 {
            return x / level.alpha();
        }
        let (shape, x) = (x.dims(), self.rows(x));
        let rest = row(&self.rest, &x);
        let at = self.at(level, &x);
        let [_, explained, residual] = self.parts(x, level, &at);
        let own = residual * at.precision * rest * level.alpha();
        (at.mean + explained + own).reshape(shape)
    }

    /// Returns the posterior given the values `y` of some dimensions, `places`, each with noise of
    /// standard deviation `sigma`. It has as many factors.
    ///
    /// # Errors
    /// [`OracleError::Size`] if `y` and `places` differ in length; [`OracleError::Place`] for a
    /// place beyond the dimensions or given twice; [`OracleError::Value`] if `y` is not finite, or
    /// `sigma` is negative or too large;
    /// [`OracleError::Definite`] if a place has no noise at all, neither `sigma` nor `rest`.
    pub fn posterior(&self, places: &[usize], y: &[f64], sigma: f64) -> Result<Self, OracleError> {
        check_size("y", places.len(), y.len())?;
        let square = if sigma >= 0.0 {
            sigma * sigma
        } else {
            f64::NAN
        };
        for &value in y.iter().chain([&square]) {
            check_value("y, or the square of sigma,", value)?;
        }
        let mut seen = vec![false; self.dim()];
        for &place in places {
            if seen.get(place).copied().unwrap_or(true) {
                let dim = self.dim();
                return Err(OracleError::Place { place, dim });
            }
            seen[place] = true;
        }
        let (k, s2) = (self.rank(), square);
        // z given y, from the rows of F at the places.
        let mut precision = DMatrix::identity(k, k);
        let mut pull = DVector::zeros(k);
        for (&place, y) in places.iter().zip(y) {
            let variance = self.rest[place] + s2;
            if variance <= 0.0 {
                return Err(OracleError::Definite {
                    name: "the variance of a value given the factors",
                    expected: "above 0",
                    least: variance,
                });
            }
            let factor = self.factors.row(place).transpose();
            precision.ger(1.0 / variance, &factor, &factor, 1.0);
            pull += &factor * ((y - self.mean[place]) / variance);
        }
        let cholesky = Self::cholesky(precision);
        let z = cholesky.solve(&pull);
        // z = ẑ + L⁻ᵀ ζ has the covariance M⁻¹.
        let root = cholesky.l().transpose();
        let Some(root) = root.solve_upper_triangular(&DMatrix::identity(k, k)) else {
            return Err(OracleError::Definite {
                name: "the precision of the factors",
                expected: "positive definite",
                least: 0.0,
            });
        };
        let mut posterior = self.clone();
        posterior.mean += &self.factors * &z;
        posterior.factors = &self.factors * root;
        for (&place, y) in places.iter().zip(y) {
            let psi = self.rest[place];
            let kept = s2 / (psi + s2);
            let mut row = posterior.factors.row_mut(place);
            row *= kept;
            posterior.mean[place] = kept * posterior.mean[place] + (1.0 - kept) * y;
            posterior.rest[place] = kept * psi;
        }
        Ok(posterior)
    }

    /// `μ + F z + √ψ ε`.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> DVector<f64> {
        let mut normal = |count: usize| -> DVector<f64> {
            DVector::from_fn(count, |_, _| StandardNormal.sample(rng))
        };
        let own = normal(self.dim()).component_mul(&self.rest.map(f64::sqrt));
        &self.mean + &self.factors * normal(self.rank()) + own
    }

    /// Draws samples of `x₀` in f32, with the first axis of `shape` as their number.
    ///
    /// # Panics
    /// If a state of this shape does not have the dimensions of the Gaussian.
    #[must_use]
    pub fn sample<const D: usize>(
        &self,
        shape: [usize; D],
        seed: u64,
        device: &Device,
    ) -> Tensor<D> {
        let dim: usize = shape[1..].iter().product();
        assert_eq!(dim, self.dim(), "dimensions of points and law");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(shape[0] * dim);
        for _ in 0..shape[0] {
            values.extend_from_slice(self.draw(&mut rng).as_slice());
        }
        Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
    }
}

impl<const D: usize> Denoiser<D> for FactorGaussian {
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        match shape[1..].iter().product::<usize>() == self.dim() {
            true => Ok(()),
            false => Err(InputError::Shape {
                name: "the state",
                found: shape.to_vec(),
                expected: format!("{} values for each sample", self.dim()),
            }),
        }
    }

    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        Ok(self.posterior_mean(x, level))
    }
}
