//! A mixture of Gaussians in many dimensions with few factors each, fitted to samples: a stand-in
//! for a prior, with exact posteriors.
//!
//! # Reference
//! Tipping & Bishop 1999, "Mixtures of probabilistic principal component analyzers"; here the
//! clusters are found first, by k-means (Lloyd 1982; centres drawn as by Arthur & Vassilvitskii
//! 2007, from the first sample on).

use super::k_means::k_means;
use super::{
    FactorGaussian, Observed, OracleError, PrincipalComponents, check_size, check_value, log_sum,
};
use crate::{DenoiseError, Denoiser, InputError};
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, Tensor, TensorData};
use nalgebra::DMatrix;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, weighted::WeightedIndex};
use tweedie_math::Level;

/// A mixture of [`FactorGaussian`]s, on states `[batch, …]` of any rank.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use tweedie_core::oracle::FactorMixture;
///
/// // Two clusters of images of 4×4 pixels.
/// let noise = Tensor::<4>::random([60, 1, 4, 4], Distribution::Normal(0.0, 0.1), &Device::flex());
/// let signs = Tensor::<1>::from_floats([[1.0; 30], [-1.0; 30]].as_flattened(), &Device::flex());
/// let images = noise + signs.reshape([60, 1, 1, 1]);
/// let prior = FactorMixture::fit(&images, 2, 3, 0)?;
/// assert_eq!(prior.weights(), [0.5, 0.5]);
/// # Ok::<(), tweedie_core::oracle::OracleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FactorMixture {
    weights: Vec<f64>,
    components: Vec<FactorGaussian>,
}

impl FactorMixture {
    /// Returns the mixture of weighted components. The weights are normalised.
    ///
    /// # Errors
    /// [`OracleError::Weights`] if a weight is not finite and above 0, or there are none;
    /// [`OracleError::Size`] if the components differ in dimension.
    pub fn new(components: Vec<(f64, FactorGaussian)>) -> Result<Self, OracleError> {
        let (weights, components): (Vec<f64>, Vec<FactorGaussian>) = components.into_iter().unzip();
        let total: f64 = weights.iter().sum();
        let legal = weights.iter().all(|weight| *weight > 0.0) && total.is_finite();
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

    /// Fits `clusters` Gaussians with at most `factors` factors each to samples `[n, …]`: clusters
    /// by k-means, and the probabilistic principal components of each.
    ///
    /// A cluster of `m` samples has at most `m/2` factors. Clusters of fewer than four samples are
    /// dropped.
    ///
    /// # Errors
    /// [`OracleError::Size`] for fewer than four samples for each cluster, or no cluster;
    /// [`OracleError::Value`] if a value is not finite.
    pub fn fit<const D: usize>(
        samples: &Tensor<D>,
        clusters: usize,
        factors: usize,
        seed: u64,
    ) -> Result<Self, OracleError> {
        let n = samples.dims()[0];
        check_size(
            "a sample",
            1,
            samples.dims()[1..].iter().product::<usize>().min(1),
        )?;
        if clusters == 0 || n < clusters.saturating_mul(4) {
            return Err(OracleError::Size {
                name: "the set of samples",
                expected: clusters.max(1).saturating_mul(4),
                found: n,
            });
        }
        let values: Vec<f64> = samples.to_data().iter::<f64>().collect();
        for &value in &values {
            check_value("a sample", value)?;
        }
        let rows: Vec<&[f64]> = values.chunks(values.len() / n).collect();
        let owners = k_means(&rows, clusters, seed);
        let mut components = Vec::with_capacity(clusters);
        for cluster in 0..clusters {
            let own = (0..n).filter(|i| owners[*i] == cluster).map(|i| i as i32);
            let own: Vec<i32> = own.collect();
            if own.len() < 4 {
                continue;
            }
            let weight = own.len() as f64 / n as f64;
            let members = Tensor::from_data(&own[..], &samples.device());
            let members = samples.clone().select(0, members);
            let most = (own.len() / 2).min(rows[0].len());
            // Equal samples have fewer components.
            let fitted = (0..=factors.min(most))
                .rev()
                .find_map(|count| PrincipalComponents::fit(&members, count).ok());
            components.extend(fitted.map(|fitted| (weight, fitted.gaussian())));
        }
        Self::new(components)
    }

    /// The weights, which sum to 1.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The components.
    #[must_use]
    pub fn components(&self) -> &[FactorGaussian] {
        &self.components
    }

    /// The number of dimensions.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.components[0].dim()
    }

    /// Returns `log w_k + log N_k(x)`: `[batch, components]`.
    fn log_joint<const D: usize>(&self, x: &Tensor<D>, level: Level) -> Tensor<2> {
        let columns = self.weights.iter().zip(&self.components);
        let columns = columns.map(|(weight, component)| {
            let density = component.log_density(x.clone(), level) + weight.ln();
            density.unsqueeze_dim::<2>(1)
        });
        Tensor::cat(columns.collect(), 1)
    }

    /// Returns `log p_t(x)` in nats for each state: `[batch, …]` to `[batch]`.
    #[must_use]
    pub fn log_density<const D: usize>(&self, x: Tensor<D>, level: Level) -> Tensor<1> {
        log_sum(self.log_joint(&x, level))
    }

    /// Returns `E[x₀ | x_t]` for each state, also at [`Level::CLEAN`].
    #[must_use]
    pub fn posterior_mean<const D: usize>(&self, x: Tensor<D>, level: Level) -> Tensor<D> {
        if level.sigma() == 0.0 {
            return x / level.alpha();
        }
        let responsibilities = softmax(self.log_joint(&x, level), 1);
        let mut shape = [1; D];
        shape[0] = x.dims()[0];
        let means = self.components.iter().enumerate().map(|(k, component)| {
            let share = responsibilities.clone().narrow(1, k, 1).reshape(shape);
            component.posterior_mean(x.clone(), level) * share
        });
        means.reduce(|sum, mean| sum + mean).unwrap_or(x)
    }

    /// Draws samples of `x₀` in f32, with the first axis of `shape` as their number.
    ///
    /// # Panics
    /// If a state of this shape does not have the dimensions of the mixture.
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
        let index = self.index(&self.weights);
        let mut values = Vec::with_capacity(shape[0] * dim);
        for _ in 0..shape[0] {
            let component = &self.components[index.sample(&mut rng)];
            values.extend_from_slice(component.draw(&mut rng).as_slice());
        }
        Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
    }

    pub(super) fn index(&self, weights: &[f64]) -> WeightedIndex<f64> {
        match WeightedIndex::new(weights) {
            Ok(index) => index,
            Err(_) => unreachable!("{} positive weights", self.weights.len()),
        }
    }

    /// The exact posterior under `y = A x + σ n`, for a matrix `A` of `[measured, dim]`.
    ///
    /// # Errors
    /// [`OracleError::Size`] if the matrix does not have a column for each dimension;
    /// [`OracleError::Value`] if an entry is not finite, or `sigma` is not above 0.
    pub fn observed(&self, a: &Tensor<2>, sigma: f64) -> Result<Observed<'_>, OracleError> {
        let [measured, dim] = a.dims();
        check_size("the matrix", self.dim(), dim)?;
        let rows: Vec<f64> = a.to_data().iter::<f64>().collect();
        let positive = if sigma > 0.0 { sigma } else { f64::NAN };
        for &value in rows.iter().chain([&positive]) {
            check_value("an entry of the matrix, or sigma,", value)?;
        }
        let a = DMatrix::from_row_slice(measured, dim, &rows);
        Observed::new(self, a, sigma)
    }
}

impl<const D: usize> Denoiser<D> for FactorMixture {
    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.components[0].accepts(shape)
    }

    fn denoise(&self, x: Tensor<D>, level: Level) -> Result<Tensor<D>, DenoiseError> {
        Ok(self.posterior_mean(x, level))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may stop at once")]
mod tests {
    use super::*;
    use crate::oracle::{Gaussian, GaussianMixture};
    use approx::assert_abs_diff_eq;

    /// Two Gaussians in three dimensions with one factor each, in both forms.
    fn both() -> (FactorMixture, GaussianMixture) {
        let parts = [
            (0.3, [1.0, -0.5, 0.2], [0.8, 0.4, -0.3], 0.1),
            (0.7, [-0.8, 0.6, 0.0], [0.2, 0.5, 0.6], 0.2),
        ];
        let thin = parts.iter().map(|(weight, mean, factor, rest)| {
            let law = FactorGaussian::new(mean, &[factor.to_vec()], &[*rest; 3]);
            (*weight, law.expect("a law"))
        });
        let dense = parts.iter().map(|(weight, mean, factor, rest)| {
            let entry =
                |i: usize, j: usize| factor[i] * factor[j] + if i == j { *rest } else { 0.0 };
            let rows: Vec<Vec<f64>> = (0..3)
                .map(|i| (0..3).map(|j| entry(i, j)).collect())
                .collect();
            (*weight, Gaussian::full(mean, &rows).expect("a law"))
        });
        let thin = FactorMixture::new(thin.collect()).expect("a mixture");
        (
            thin,
            GaussianMixture::new(dense.collect()).expect("a mixture"),
        )
    }

    #[test]
    fn it_is_the_dense_mixture() {
        let (thin, dense) = both();
        let x = Tensor::<2>::from_data(
            [[0.4, -0.2, 1.0], [-1.3, 0.8, 0.1]],
            (&Device::flex(), DType::F64),
        );
        for level in [Level::new(0.8, 0.6), Level::new(0.3, 2.0)] {
            let level = level.expect("a level");
            let gap = |a: Tensor<1>, b: Tensor<1>| (a - b).abs().max().into_scalar::<f64>();
            let [a, b] = [
                thin.log_density(x.clone(), level),
                dense.log_density(x.clone(), level),
            ];
            assert!(gap(a, b) < 1e-9);
            let means = [
                thin.posterior_mean(x.clone(), level),
                dense.posterior_mean(x.clone(), level),
            ];
            let [a, b] = means.map(|mean| mean.flatten::<1>(0, 1));
            assert!(gap(a, b) < 1e-9);
        }
    }

    #[test]
    fn its_posterior_is_that_of_the_dense_mixture() {
        let (thin, dense) = both();
        let (a, y, sigma) = ([[1.0, 0.5, 0.0], [0.0, -1.0, 2.0]], [0.3, -0.4], 0.4);
        let rows: Vec<Vec<f64>> = a.iter().map(|row| row.to_vec()).collect();
        let exact = dense.posterior(&rows, &y, sigma).expect("a posterior");
        let a = Tensor::<2>::from_data(a, (&Device::flex(), DType::F64));
        let observed = thin.observed(&a, sigma).expect("a posterior");
        for (found, exact) in observed
            .weights(&y)
            .expect("weights")
            .iter()
            .zip(exact.weights())
        {
            assert_abs_diff_eq!(found, exact, epsilon = 1e-9);
        }
        for (found, exact) in observed.mean(&y).expect("a mean").iter().zip(exact.mean()) {
            assert_abs_diff_eq!(*found, exact, epsilon = 1e-9);
        }
        let draws = observed
            .sample(&y, 40_000, 3, &Device::flex())
            .expect("draws");
        let fitted = Gaussian::fit(&draws).expect("a law");
        for i in 0..3 {
            assert_abs_diff_eq!(fitted.mean()[i], exact.mean()[i], epsilon = 0.02);
            for j in 0..3 {
                let (found, exact) = (fitted.covariance()[i][j], exact.covariance()[i][j]);
                assert_abs_diff_eq!(found, exact, epsilon = 0.02);
            }
        }
        assert!(observed.mean(&[0.0]).is_err() && thin.observed(&a, 0.0).is_err());
    }

    #[test]
    fn clusters_are_found_again() {
        let law = |mean: [f64; 3], factor: [f64; 3]| {
            FactorGaussian::new(&mean, &[factor.to_vec()], &[0.01; 3]).expect("a law")
        };
        let truth = FactorMixture::new(vec![
            (0.25, law([4.0, 0.0, 0.0], [0.0, 1.0, 0.0])),
            (0.75, law([-4.0, 0.0, 0.0], [0.0, 0.0, 0.5])),
        ]);
        let samples = truth
            .expect("a mixture")
            .sample([2000, 3], 7, &Device::flex());
        let fitted = FactorMixture::fit(&samples, 2, 1, 1).expect("a mixture");
        let light = usize::from(fitted.weights()[0] > 0.5);
        assert_abs_diff_eq!(fitted.weights()[light], 0.25, epsilon = 0.03);
        assert_abs_diff_eq!(fitted.components()[light].mean()[0], 4.0, epsilon = 0.02);
        assert_abs_diff_eq!(
            fitted.components()[light].variances()[1],
            1.0,
            epsilon = 0.2
        );
        let heavy = &fitted.components()[1 - light];
        assert_abs_diff_eq!(heavy.variances()[2], 0.26, epsilon = 0.05);
        assert!(FactorMixture::fit(&samples, 0, 1, 1).is_err());
        assert!(FactorMixture::fit(&samples.narrow(0, 0, 7), 2, 1, 1).is_err());
    }
}
