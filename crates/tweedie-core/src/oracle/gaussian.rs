//! A Gaussian: `x₀ ~ N(μ, C)`, hence `x_t ~ N(α μ, α² C + σ² I)`.
//!
//! `E[x₀ | x_t] = μ + α C (α² C + σ² I)⁻¹ (x_t − α μ)`, diagonal in the eigenbasis of `C`.

use super::components::centred;
use super::{OracleError, check_size, check_value, from_rows, matrix, row};
use crate::{DenoiseError, Denoiser, InputError};
use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;
use tweedie_math::Level;

/// A Gaussian distribution with closed-form densities, scores, flows and posteriors.
///
/// One step of gradient ascent on the log-density of a posterior:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::oracle::Gaussian;
/// use tweedie_math::Level;
///
/// // Prior N(0, I), y = A x + n with A = diag(1, ½) and σ² = 0.1.
/// let prior = Gaussian::isotropic(&[0.0, 0.0], 1.0)?;
/// let a = [vec![1.0, 0.0], vec![0.0, 0.5]];
/// let posterior = prior.posterior(&a, &[0.8, -0.2], 0.1_f64.sqrt())?;
/// let x = Tensor::<2>::from_floats([[1.5, -1.0]], &Device::flex());
/// let next = x.clone() + posterior.score(x, Level::CLEAN) * 0.2;
/// let next = next.into_data().try_into_vec::<f32>()?;
/// assert!((next[0] + 0.2).abs() < 1e-5 && (next[1] + 0.5).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    mean: DVector<f64>,
    /// Eigenvectors of the covariance as columns; `None` for the unit vectors.
    basis: Option<DMatrix<f64>>,
    variances: DVector<f64>,
}

impl Gaussian {
    /// Returns `N(mean, std² I)`.
    ///
    /// # Errors
    /// [`OracleError::Definite`] if `std` is negative or its square is not finite,
    /// [`OracleError::Size`] if `mean` is empty, [`OracleError::Value`] if a mean is not finite.
    pub fn isotropic(mean: &[f64], std: f64) -> Result<Self, OracleError> {
        Self::diagonal(mean, &vec![std; mean.len()])
    }

    /// Returns `N(mean, diag(stds²))`.
    ///
    /// # Errors
    /// [`OracleError::Size`] if `mean` and `stds` differ in length or are empty,
    /// [`OracleError::Definite`] if a standard deviation is negative or its square is not finite,
    /// [`OracleError::Value`] if a mean is not finite.
    pub fn diagonal(mean: &[f64], stds: &[f64]) -> Result<Self, OracleError> {
        check_size("stds", mean.len(), stds.len())?;
        check_mean(mean)?;
        let legal = |std: f64| std >= 0.0 && (std * std).is_finite();
        if let Some(&least) = stds.iter().find(|std| !legal(**std)) {
            return Err(OracleError::Definite {
                name: "stds",
                expected: "at least 0",
                least,
            });
        }
        Ok(Self {
            mean: DVector::from_column_slice(mean),
            basis: None,
            variances: DVector::from_iterator(stds.len(), stds.iter().map(|std| std * std)),
        })
    }

    /// Returns `N(mean, covariance)`, with the covariance given by its rows.
    ///
    /// # Errors
    /// [`OracleError::Size`] unless the covariance is square with the length of the mean, above 0;
    /// [`OracleError::Definite`] unless it is finite, symmetric and positive semidefinite;
    /// [`OracleError::Value`] if a mean is not finite.
    pub fn full(mean: &[f64], covariance: &[Vec<f64>]) -> Result<Self, OracleError> {
        check_size("covariance", mean.len(), covariance.len())?;
        let covariance = from_rows("covariance", covariance, mean.len())?;
        let skew = (&covariance - covariance.transpose()).abs().max();
        if skew > 1e-9 * covariance.abs().max() {
            return Err(OracleError::Definite {
                name: "covariance",
                expected: "symmetric",
                least: -skew,
            });
        }
        Self::from_host(DVector::from_column_slice(mean), &covariance)
    }

    /// Returns the Gaussian with mean and covariance of samples `[n, …]`, each as one vector.
    ///
    /// The covariance is `1/(n−1) Σᵢ (xᵢ − x̄)(xᵢ − x̄)ᵀ`. For images of many pixels,
    /// [`PrincipalComponents`](super::PrincipalComponents) needs less memory and time.
    ///
    /// # Errors
    /// [`OracleError::Size`] for fewer than two samples, [`OracleError::Value`] if a value is not
    /// finite.
    pub fn fit<const D: usize>(samples: &Tensor<D>) -> Result<Self, OracleError> {
        let (mean, centred) = centred(samples)?;
        let freedom = (centred.nrows() - 1) as f64;
        Self::from_host(mean, &(centred.transpose() * &centred / freedom))
    }

    fn from_host(mean: DVector<f64>, covariance: &DMatrix<f64>) -> Result<Self, OracleError> {
        check_mean(mean.as_slice())?;
        if let Some(&least) = covariance.iter().find(|value| !value.is_finite()) {
            return Err(OracleError::Definite {
                name: "covariance",
                expected: "finite",
                least,
            });
        }
        let symmetric = (covariance + covariance.transpose()) * 0.5;
        let eigen = SymmetricEigen::new(symmetric);
        let (least, largest) = (eigen.eigenvalues.min(), eigen.eigenvalues.max());
        if least < -1e-12 * largest.abs() || !largest.is_finite() {
            return Err(OracleError::Definite {
                name: "covariance",
                expected: "positive semidefinite",
                least,
            });
        }
        Ok(Self {
            mean,
            basis: Some(eigen.eigenvectors),
            variances: eigen.eigenvalues.map(|value| value.max(0.0)),
        })
    }

    /// The number of dimensions.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// `μ`.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        self.mean.as_slice().to_vec()
    }

    /// `C`, by rows.
    #[must_use]
    pub fn covariance(&self) -> Vec<Vec<f64>> {
        let covariance = self.covariance_host();
        let rows = covariance.row_iter();
        rows.map(|row| row.iter().copied().collect()).collect()
    }

    /// The eigenvalues of `C`, in the order of [`eigenvectors`](Self::eigenvectors).
    #[must_use]
    pub fn eigenvalues(&self) -> Vec<f64> {
        self.variances.as_slice().to_vec()
    }

    /// The eigenvectors of `C`, of length 1.
    #[must_use]
    pub fn eigenvectors(&self) -> Vec<Vec<f64>> {
        let unit = || DMatrix::identity(self.dim(), self.dim());
        let basis = self.basis.clone().unwrap_or_else(unit);
        let columns = basis.column_iter();
        columns.map(|column| column.as_slice().to_vec()).collect()
    }

    pub(super) fn mean_host(&self) -> &DVector<f64> {
        &self.mean
    }

    pub(super) fn covariance_host(&self) -> DMatrix<f64> {
        self.in_basis(&self.variances)
    }

    /// `Q diag(values) Qᵀ`.
    fn in_basis(&self, values: &DVector<f64>) -> DMatrix<f64> {
        let diagonal = DMatrix::from_diagonal(values);
        match &self.basis {
            Some(basis) => basis * diagonal * basis.transpose(),
            None => diagonal,
        }
    }

    /// Returns `Cov[x₀ | x_t] = σ² C (α² C + σ² I)⁻¹`, which does not depend on `x_t`.
    pub(super) fn conditional_covariance_host(&self, level: Level) -> DMatrix<f64> {
        let (a2, s2) = (level.alpha().powi(2), level.sigma().powi(2));
        self.in_basis(&self.variances.map(|c| ratio(s2 * c, a2 * c + s2)))
    }

    /// Returns `v Q diag(values) Qᵀ` for rows `v` of shape `[batch, dim]`.
    fn scale(&self, v: Tensor<2>, values: &DVector<f64>) -> Tensor<2> {
        let values = row(values, &v);
        match &self.basis {
            None => v * values,
            Some(basis) => {
                let basis = matrix(basis, &v);
                (v.matmul(basis.clone()) * values).matmul(basis.transpose())
            }
        }
    }

    /// Returns `x − α μ`.
    ///
    /// # Panics
    /// If the dimension of `x` differs from that of the distribution.
    fn centred(&self, x: Tensor<2>, level: Level) -> Tensor<2> {
        assert_eq!(x.dims()[1], self.dim(), "dimensions of points and law");
        let mean = row(&self.mean, &x) * level.alpha();
        x - mean
    }

    /// Returns `log p_t(x)` in nats for each point: `[batch, dim]` to `[batch]`.
    ///
    /// At [`Level::CLEAN`] this is the log-density of the data. If the variance of the data is 0 in
    /// some direction, there is no density at that level: this result, the score and the flow from
    /// it are then not finite.
    #[must_use]
    pub fn log_density(&self, x: Tensor<2>, level: Level) -> Tensor<1> {
        let batch = x.dims()[0];
        let variances = self.level_variances(level);
        let constant: f64 = variances.iter().map(|v| -0.5 * (TAU * v).ln()).sum();
        let centred = self.centred(x, level);
        let quadratic = centred.clone() * self.scale(centred, &variances.map(f64::recip));
        quadratic.sum_dim(1).reshape([batch]) * -0.5 + constant
    }

    /// Returns the score `∇ log p_t(x)`, also at [`Level::CLEAN`].
    #[must_use]
    pub fn score(&self, x: Tensor<2>, level: Level) -> Tensor<2> {
        let factors = self.level_variances(level).map(|v| -1.0 / v);
        let centred = self.centred(x, level);
        self.scale(centred, &factors)
    }

    /// Returns the eigenvalues of `α² C + σ² I`.
    fn level_variances(&self, level: Level) -> DVector<f64> {
        let (a2, s2) = (level.alpha().powi(2), level.sigma().powi(2));
        self.variances.map(|c| a2 * c + s2)
    }

    /// Returns the exact solution of the probability-flow ODE from one level to another.
    ///
    /// `x ↦ α_s μ + (α_s² C + σ_s² I)^½ (α_t² C + σ_t² I)^−½ (x − α_t μ)`.
    #[must_use]
    pub fn flow(&self, x: Tensor<2>, from: Level, to: Level) -> Tensor<2> {
        let ratio = self
            .level_variances(to)
            .component_div(&self.level_variances(from))
            .map(f64::sqrt);
        let centred = self.centred(x, from);
        let moved = self.scale(centred, &ratio);
        let mean = row(&self.mean, &moved) * to.alpha();
        moved + mean
    }

    /// Returns the posterior `p(x₀ | y)` of `y = A x₀ + sigma n`, with `A` given by its rows.
    ///
    /// # Errors
    /// [`OracleError`] if the sizes do not match, `y` or `sigma` is not finite, `sigma` is
    /// negative, or `A C Aᵀ + sigma² I` is singular.
    pub fn posterior(&self, a: &[Vec<f64>], y: &[f64], sigma: f64) -> Result<Self, OracleError> {
        self.condition(a, y, sigma).map(|(posterior, _)| posterior)
    }

    /// Returns the posterior and the log-evidence `log p(y)`.
    pub(super) fn condition(
        &self,
        a: &[Vec<f64>],
        y: &[f64],
        sigma: f64,
    ) -> Result<(Self, f64), OracleError> {
        check_size("y", a.len(), y.len())?;
        let sigma_squared = if sigma >= 0.0 {
            sigma * sigma
        } else {
            f64::NAN
        };
        for &value in y.iter().chain([&sigma_squared]) {
            check_value("y, or the square of sigma,", value)?;
        }
        let a = from_rows("a row of A", a, self.dim())?;
        let covariance = self.covariance_host();
        let noise = DMatrix::identity(y.len(), y.len()) * sigma_squared;
        let observed = &a * &covariance * a.transpose() + noise;
        let Some(cholesky) = observed.clone().cholesky() else {
            return Err(OracleError::Definite {
                name: "the covariance of y",
                expected: "positive definite",
                least: observed.symmetric_eigenvalues().min(),
            });
        };
        let residual = DVector::from_column_slice(y) - &a * &self.mean;
        let gain = cholesky.solve(&(&a * &covariance)).transpose();
        let mean = &self.mean + &gain * &residual;
        let posterior = Self::from_host(mean, &(&covariance - &gain * &a * &covariance))?;
        let log_det = 2.0 * cholesky.l_dirty().diagonal().map(f64::ln).sum();
        let quadratic = residual.dot(&cholesky.solve(&residual));
        let log_evidence = -0.5 * (quadratic + log_det + y.len() as f64 * TAU.ln());
        Ok((posterior, log_evidence))
    }

    /// Draws one sample of `x₀`.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> DVector<f64> {
        let z = self.variances.map(|variance| {
            let z: f64 = StandardNormal.sample(rng);
            variance.sqrt() * z
        });
        match &self.basis {
            Some(basis) => &self.mean + basis * z,
            None => &self.mean + z,
        }
    }

    /// Draws `count` samples of `x₀` in f32: `[count, dim]`.
    #[must_use]
    pub fn sample(&self, count: usize, seed: u64, device: &Device) -> Tensor<2> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        stack((0..count).map(|_| self.draw(&mut rng)), self.dim(), device)
    }
}

fn check_mean(mean: &[f64]) -> Result<(), OracleError> {
    if mean.is_empty() {
        return Err(OracleError::Size {
            name: "the mean",
            expected: 1,
            found: 0,
        });
    }
    let value = |&value: &f64| check_value("the mean", value);
    mean.iter().try_for_each(value)
}

impl Denoiser<2> for Gaussian {
    fn accepts(&self, shape: [usize; 2]) -> Result<(), InputError> {
        points_of(self.dim(), shape)
    }

    fn denoise(&self, x: Tensor<2>, level: Level) -> Result<Tensor<2>, DenoiseError> {
        Ok(self.posterior_mean(x, level))
    }
}

impl Gaussian {
    /// Returns `E[x₀ | x_t]` for each point, also at [`Level::CLEAN`].
    #[must_use]
    pub fn posterior_mean(&self, x: Tensor<2>, level: Level) -> Tensor<2> {
        let factors = self
            .variances
            .zip_map(&self.level_variances(level), |c, v| {
                ratio(level.alpha() * c, v)
            });
        let centred = self.centred(x, level);
        let moved = self.scale(centred, &factors);
        let mean = row(&self.mean, &moved);
        moved + mean
    }
}

/// Returns `Ok` for points of dimension `dim`.
pub(super) fn points_of(dim: usize, shape: [usize; 2]) -> Result<(), InputError> {
    match shape[1] == dim {
        true => Ok(()),
        false => Err(InputError::Shape {
            name: "the state",
            found: shape.to_vec(),
            expected: format!("[batch, {dim}]"),
        }),
    }
}

/// Returns `a/b`, with 0/0 = 0: a direction without variance is known exactly.
fn ratio(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / b }
}

/// Copies host points to an f32 tensor `[count, dim]`.
pub(super) fn stack(
    points: impl Iterator<Item = DVector<f64>>,
    dim: usize,
    device: &Device,
) -> Tensor<2> {
    let values: Vec<f64> = points.flat_map(|p| p.as_slice().to_vec()).collect();
    let count = values.len() / dim;
    Tensor::from_data(TensorData::new(values, [count, dim]), (device, DType::F32))
}
