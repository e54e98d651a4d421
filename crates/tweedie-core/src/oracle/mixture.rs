//! A mixture of Gaussians: `p_t(x) = Σ_k w_k N(x; α μ_k, α² C_k + σ² I)`.
//!
//! With responsibilities `r_k ∝ w_k N_k(x)`, `E[x₀ | x_t] = Σ_k r_k E_k[x₀ | x_t]`.

use super::check_size;
use super::gaussian::{points_of, stack};
use super::{Gaussian, OracleError, log_sum, matrix};
use crate::{DenoiseError, Denoiser, InputError};
use burn::tensor::{Device, Tensor, activation::softmax};
use nalgebra::DMatrix;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, weighted::WeightedIndex};
use tweedie_math::Level;

/// A mixture of Gaussians with closed-form densities, scores and posteriors.
///
/// ```
/// use tweedie_core::oracle::{Gaussian, GaussianMixture};
///
/// let mixture = GaussianMixture::new(vec![
///     (0.5, Gaussian::isotropic(&[2.0, 0.0], 0.3)?),
///     (0.3, Gaussian::isotropic(&[-2.0, 0.0], 0.3)?),
///     (0.2, Gaussian::isotropic(&[0.0, 2.0], 0.3)?),
/// ])?;
/// // Its posterior under y = x₁ + 0.1 n is again a mixture.
/// let posterior = mixture.posterior(&[vec![1.0, 0.0]], &[1.9], 0.1)?;
/// assert!(posterior.weights()[0] > 0.99);
/// # Ok::<(), tweedie_core::oracle::OracleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianMixture {
    weights: Vec<f64>,
    components: Vec<Gaussian>,
}

impl GaussianMixture {
    /// Returns the mixture of weighted components.
    ///
    /// The weights are normalised, and components of weight 0 are dropped.
    ///
    /// # Errors
    /// [`OracleError::Weights`] if a weight is negative or not finite, or if all are 0;
    /// [`OracleError::Size`] if the components differ in dimension.
    pub fn new(components: Vec<(f64, Gaussian)>) -> Result<Self, OracleError> {
        let legal_weights = components.iter().all(|(weight, _)| *weight >= 0.0);
        let weighted = components.into_iter().filter(|(weight, _)| *weight > 0.0);
        let (weights, components): (Vec<f64>, Vec<Gaussian>) = weighted.unzip();
        let total: f64 = weights.iter().sum();
        let legal = legal_weights && total > 0.0 && total.is_finite();
        let (true, Some(first)) = (legal, components.first()) else {
            return Err(OracleError::Weights);
        };
        for component in &components {
            check_size("a component", first.dim(), component.dim())?;
        }
        Ok(Self {
            weights: weights.iter().map(|w| w / total).collect(),
            components,
        })
    }

    /// The weights, which sum to 1.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The components.
    #[must_use]
    pub fn components(&self) -> &[Gaussian] {
        &self.components
    }

    /// The number of dimensions.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.components[0].dim()
    }

    /// `E[x₀] = Σ w_k μ_k`.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dim()];
        for (weight, component) in self.weights.iter().zip(&self.components) {
            for (sum, value) in mean.iter_mut().zip(component.mean()) {
                *sum += weight * value;
            }
        }
        mean
    }

    /// `Cov[x₀] = Σ w_k (C_k + μ_k μ_kᵀ) − μ μᵀ`, by rows.
    #[must_use]
    pub fn covariance(&self) -> Vec<Vec<f64>> {
        let mean = nalgebra::DVector::from_vec(self.mean());
        let mut covariance = -(&mean * mean.transpose());
        for (weight, component) in self.weights.iter().zip(&self.components) {
            let mean = component.mean_host();
            covariance += (component.covariance_host() + mean * mean.transpose()) * *weight;
        }
        let rows = covariance.row_iter();
        rows.map(|row| row.iter().copied().collect()).collect()
    }

    /// Returns `log w_k + log N_k(x)`: `[batch, components]`.
    fn log_joint(&self, x: &Tensor<2>, level: Level) -> Tensor<2> {
        let columns = self.weights.iter().zip(&self.components);
        let columns = columns.map(|(weight, component)| {
            let density = component.log_density(x.clone(), level) + weight.ln();
            density.unsqueeze_dim::<2>(1)
        });
        Tensor::cat(columns.collect(), 1)
    }

    /// Returns `log p_t(x)` in nats for each point: `[batch, dim]` to `[batch]`.
    #[must_use]
    pub fn log_density(&self, x: Tensor<2>, level: Level) -> Tensor<1> {
        log_sum(self.log_joint(&x, level))
    }

    /// Returns the probability that each point came from each component: `[batch, components]`.
    #[must_use]
    pub fn responsibilities(&self, x: &Tensor<2>, level: Level) -> Tensor<2> {
        softmax(self.log_joint(x, level), 1)
    }

    /// Returns the score `∇ log p_t(x)`, also at [`Level::CLEAN`].
    #[must_use]
    pub fn score(&self, x: Tensor<2>, level: Level) -> Tensor<2> {
        self.average(x, level, Gaussian::score)
    }

    /// Returns `E[x₀ | x_t]` for each point, also at [`Level::CLEAN`].
    #[must_use]
    pub fn posterior_mean(&self, x: Tensor<2>, level: Level) -> Tensor<2> {
        self.average(x, level, Gaussian::posterior_mean)
    }

    /// Returns `Cov[x₀ | x_t]` for each point: `[batch, dim, dim]`.
    ///
    /// Multiplied by `α/σ²` it is the Jacobian of the denoiser.
    #[must_use]
    pub fn conditional_covariance(&self, x: Tensor<2>, level: Level) -> Tensor<3> {
        let r = self.responsibilities(&x, level);
        let mean = self.posterior_mean(x.clone(), level);
        let outer = |v: Tensor<2>| v.clone().unsqueeze_dim::<3>(2) * v.unsqueeze_dim::<3>(1);
        let mut sum = -outer(mean);
        for (k, component) in self.components.iter().enumerate() {
            let weight = r.clone().narrow(1, k, 1).unsqueeze_dim::<3>(2);
            let spread: DMatrix<f64> = component.conditional_covariance_host(level);
            let spread = matrix(&spread, &x).unsqueeze_dim::<3>(0);
            sum = sum + (outer(component.posterior_mean(x.clone(), level)) + spread) * weight;
        }
        sum
    }

    /// Computes `Σ_k r_k f(component k)`.
    fn average(
        &self,
        x: Tensor<2>,
        level: Level,
        f: impl Fn(&Gaussian, Tensor<2>, Level) -> Tensor<2>,
    ) -> Tensor<2> {
        let r = self.responsibilities(&x, level);
        let mut sum = x.zeros_like();
        for (k, component) in self.components.iter().enumerate() {
            sum = sum + f(component, x.clone(), level) * r.clone().narrow(1, k, 1);
        }
        sum
    }

    /// Returns the posterior `p(x₀ | y)` of `y = A x₀ + sigma n`, with `A` given by its rows.
    ///
    /// It is the mixture of the components' posteriors with weights proportional to `w_k p_k(y)`.
    ///
    /// # Errors
    /// [`OracleError`] as [`Gaussian::posterior`].
    pub fn posterior(&self, a: &[Vec<f64>], y: &[f64], sigma: f64) -> Result<Self, OracleError> {
        self.condition(a, y, sigma).map(|(posterior, _)| posterior)
    }

    /// Returns `log p(y)` in nats for `y = A x₀ + sigma n`.
    ///
    /// # Errors
    /// As [`posterior`](Self::posterior).
    pub fn log_evidence(&self, a: &[Vec<f64>], y: &[f64], sigma: f64) -> Result<f64, OracleError> {
        self.condition(a, y, sigma).map(|(_, evidence)| evidence)
    }

    fn condition(&self, a: &[Vec<f64>], y: &[f64], sigma: f64) -> Result<(Self, f64), OracleError> {
        let conditioned = self
            .components
            .iter()
            .map(|component| component.condition(a, y, sigma))
            .collect::<Result<Vec<_>, _>>()?;
        let joint = |weight: f64, evidence: f64| weight.ln() + evidence;
        let largest = conditioned
            .iter()
            .zip(&self.weights)
            .map(|((_, evidence), &weight)| joint(weight, *evidence))
            .fold(f64::NEG_INFINITY, f64::max);
        let weighted: Vec<_> = conditioned
            .into_iter()
            .zip(&self.weights)
            .map(|((posterior, evidence), &weight)| {
                ((joint(weight, evidence) - largest).exp(), posterior)
            })
            .collect();
        let total: f64 = weighted.iter().map(|(weight, _)| weight).sum();
        Ok((Self::new(weighted)?, largest + total.ln()))
    }

    /// Draws `count` samples of `x₀` in f32: `[count, dim]`.
    #[must_use]
    pub fn sample(&self, count: usize, seed: u64, device: &Device) -> Tensor<2> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let Ok(index) = WeightedIndex::new(&self.weights) else {
            unreachable!("the weights were checked at construction")
        };
        let points: Vec<_> = (0..count)
            .map(|_| {
                let k = index.sample(&mut rng);
                self.components[k].draw(&mut rng)
            })
            .collect();
        stack(points.into_iter(), self.dim(), device)
    }
}

impl Denoiser<2> for GaussianMixture {
    fn accepts(&self, shape: [usize; 2]) -> Result<(), InputError> {
        points_of(self.dim(), shape)
    }

    fn denoise(&self, x: Tensor<2>, level: Level) -> Result<Tensor<2>, DenoiseError> {
        Ok(self.posterior_mean(x, level))
    }
}
