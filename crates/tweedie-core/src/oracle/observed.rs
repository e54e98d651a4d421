//! The exact posterior of a [`FactorMixture`] under a linear measurement with Gaussian noise.

use super::{FactorGaussian, FactorMixture, OracleError, check_size, check_value};
use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;

/// A component under a measurement.
#[derive(Clone, Debug)]
struct Part {
    /// `A μ`.
    mean: DVector<f64>,
    /// `C Aᵀ`.
    cross: DMatrix<f64>,
    /// Of `A C Aᵀ + σ² I`.
    cholesky: Cholesky<f64, Dyn>,
}

impl Part {
    fn of(law: &FactorGaussian, a: &DMatrix<f64>, sigma: f64) -> Result<Self, OracleError> {
        let (factors, rest) = law.host();
        let seen = a * factors;
        let mut cross = factors * seen.transpose();
        let mut weighted = a.transpose();
        for (mut row, rest) in weighted.row_iter_mut().zip(rest.iter()) {
            row *= *rest;
        }
        cross += weighted;
        let mut covariance = a * &cross;
        for i in 0..covariance.nrows() {
            covariance[(i, i)] += sigma * sigma;
        }
        let cholesky = covariance.cholesky().ok_or(OracleError::Definite {
            name: "the covariance of a measurement",
            expected: "positive definite",
            least: 0.0,
        })?;
        let mean = a * DVector::from_column_slice(law.mean());
        Ok(Self {
            mean,
            cross,
            cholesky,
        })
    }

    /// `log p(y)`.
    fn log_evidence(&self, y: &DVector<f64>) -> f64 {
        let residual = y - &self.mean;
        let log_det = 2.0 * self.cholesky.l_dirty().diagonal().map(f64::ln).sum();
        let quadratic = residual.dot(&self.cholesky.solve(&residual));
        -0.5 * (quadratic + log_det + y.len() as f64 * TAU.ln())
    }
}

/// A [`FactorMixture`] under a linear measurement with Gaussian noise.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    mixture: &'a FactorMixture,
    a: DMatrix<f64>,
    sigma: f64,
    parts: Vec<Part>,
}

impl<'a> Observed<'a> {
    pub(super) fn new(
        mixture: &'a FactorMixture,
        a: DMatrix<f64>,
        sigma: f64,
    ) -> Result<Self, OracleError> {
        let components = mixture.components().iter();
        let parts = components.map(|component| Part::of(component, &a, sigma));
        Ok(Self {
            parts: parts.collect::<Result<_, _>>()?,
            mixture,
            a,
            sigma,
        })
    }

    /// The weights of the components given `y`.
    ///
    /// # Errors
    /// [`OracleError::Size`] for another number of measured values; [`OracleError::Value`] if one
    /// is not finite, or so large that no component can have made it.
    pub fn weights(&self, y: &[f64]) -> Result<Vec<f64>, OracleError> {
        check_size("y", self.a.nrows(), y.len())?;
        for &value in y {
            check_value("y", value)?;
        }
        let y = DVector::from_column_slice(y);
        let joint = self.parts.iter().zip(self.mixture.weights());
        let joint: Vec<f64> = joint
            .map(|(part, w)| w.ln() + part.log_evidence(&y))
            .collect();
        let largest = joint.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        check_value("the evidence of y", largest)?;
        let weights: Vec<f64> = joint.iter().map(|value| (value - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        Ok(weights.iter().map(|weight| weight / total).collect())
    }

    /// The posterior mean given `y`.
    ///
    /// # Errors
    /// As [`weights`](Self::weights).
    pub fn mean(&self, y: &[f64]) -> Result<Vec<f64>, OracleError> {
        let weights = self.weights(y)?;
        let y = DVector::from_column_slice(y);
        let mut mean = DVector::zeros(self.mixture.dim());
        for ((part, law), weight) in self
            .parts
            .iter()
            .zip(self.mixture.components())
            .zip(weights)
        {
            let own = DVector::from_column_slice(law.mean());
            let gain = part.cholesky.solve(&(&y - &part.mean));
            mean += (own + &part.cross * gain) * weight;
        }
        Ok(mean.as_slice().to_vec())
    }

    /// Draws `count` samples from the posterior given `y`: `[count, dim]`, in f32.
    ///
    /// A sample of the prior with its own measurement becomes one of the posterior by
    /// `x + C Aᵀ (A C Aᵀ + σ² I)⁻¹ (y − A x − σ n)` (Matheron's rule).
    ///
    /// # Errors
    /// As [`weights`](Self::weights).
    pub fn sample(
        &self,
        y: &[f64],
        count: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Tensor<2>, OracleError> {
        let weights = self.weights(y)?;
        let y = DVector::from_column_slice(y);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let index = self.mixture.index(&weights);
        let mut values = Vec::with_capacity(count * self.mixture.dim());
        for _ in 0..count {
            let k = index.sample(&mut rng);
            let (law, part) = (&self.mixture.components()[k], &self.parts[k]);
            let x = law.draw(&mut rng);
            let noise = DVector::from_fn(y.len(), |_, _| StandardNormal.sample(&mut rng));
            let noise: DVector<f64> = noise;
            let measured = &self.a * &x + noise * self.sigma;
            let x = x + &part.cross * part.cholesky.solve(&(&y - measured));
            values.extend_from_slice(x.as_slice());
        }
        let data = TensorData::new(values, [count, self.mixture.dim()]);
        Ok(Tensor::from_data(data, (device, DType::F32)))
    }
}
