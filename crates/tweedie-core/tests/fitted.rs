//! Gaussians fitted to images, and Gaussians with few factors.

#![allow(clippy::expect_used, reason = "a test may stop at once")]

use approx::{assert_abs_diff_eq, assert_relative_eq};
use burn::tensor::{DType, Device, Tensor};
use tweedie_core::oracle::{FactorGaussian, Gaussian, OracleError, PrincipalComponents};
use tweedie_core::{Denoiser, HostNoise, Noise};
use tweedie_math::Level;

fn wide<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let like = Tensor::<D>::zeros(shape, (&Device::flex(), DType::F64));
    HostNoise::seeded(seed).normal_like(&like)
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn close<const D: usize>(a: Tensor<D>, b: Tensor<D>, tolerance: f64) {
    assert_eq!(a.dims(), b.dims());
    for (a, b) in values(a).into_iter().zip(values(b)) {
        assert_relative_eq!(a, b, max_relative = tolerance, epsilon = tolerance);
    }
}

/// Images of 8×8 pixels whose neighbours vary together.
fn images(count: usize) -> Tensor<4> {
    let x = wide([count, 1, 8, 8], 3);
    let smooth = x.clone() + x.clone().roll(&[1], &[3]) * 0.8 + x.roll(&[1], &[2]) * 0.6;
    smooth * 0.5 + 0.2
}

/// The covariance with the factor 1/(n−1), by its definition.
fn covariance(samples: &Tensor<4>) -> Vec<Vec<f64>> {
    let rows = samples.clone().flatten::<2>(1, 3);
    let centred = rows.clone() - rows.clone().mean_dim(0);
    let product = centred.clone().transpose().matmul(centred);
    let dim = product.dims()[0];
    let flat = values(product / (rows.dims()[0] - 1) as f64);
    flat.chunks(dim).map(<[f64]>::to_vec).collect()
}

/// `E Λ Eᵀ` is the covariance of the samples, for more and for fewer samples than pixels; the rank
/// is then `n − 1`.
#[test]
fn the_components_are_those_of_the_covariance() -> Result<(), OracleError> {
    for count in [200, 40] {
        let samples = images(count);
        let wanted = covariance(&samples);
        let full = Gaussian::fit(&samples)?;
        let positive = full.eigenvalues().iter().filter(|&&l| l > 1e-10).count();
        assert_eq!(positive, 64.min(count - 1));
        let components = PrincipalComponents::fit(&samples, 64.min(count - 1))?;
        assert!(
            components
                .variances()
                .windows(2)
                .all(|pair| pair[0] >= pair[1])
        );
        let pairs = components.variances().iter().zip(components.axes());
        let dense = full.eigenvalues().into_iter().zip(full.eigenvectors());
        let dense: Vec<(f64, Vec<f64>)> = dense.collect();
        for i in 0..64 {
            for j in 0..64 {
                let few: f64 = pairs.clone().map(|(l, e)| l * e[i] * e[j]).sum();
                let all: f64 = dense.iter().map(|(l, e)| l * e[i] * e[j]).sum();
                assert_abs_diff_eq!(few, wanted[i][j], epsilon = 1e-10);
                assert_abs_diff_eq!(all, wanted[i][j], epsilon = 1e-10);
            }
        }
    }
    assert!(matches!(
        PrincipalComponents::fit(&images(40), 40),
        Err(OracleError::Size { expected: 39, .. })
    ));
    assert!(matches!(
        Gaussian::fit(&images(1)),
        Err(OracleError::Size { .. })
    ));
    Ok(())
}

/// Densities, scores and estimates of a Gaussian with factors and of the same one with a matrix.
/// `rest` is the least variance beside the factors; without any there is no score at clean data.
fn agree(factors: &FactorGaussian, dense: &Gaussian, rest: f64) {
    let x = wide([3, dense.dim()], 5) * 1.5;
    for level in [-8.0, 0.0, 3.0].map(Level::variance_preserving) {
        let [a, b] = [
            factors.log_density(x.clone(), level),
            dense.log_density(x.clone(), level),
        ];
        close(a, b, 1e-8);
        close(
            factors.score(x.clone(), level),
            dense.score(x.clone(), level),
            1e-8,
        );
        let estimate = factors.denoise(x.clone(), level).expect("an estimate");
        close(estimate, dense.posterior_mean(x.clone(), level), 1e-8);
    }
    if rest > 0.0 {
        let clean = Level::CLEAN;
        close(factors.score(x.clone(), clean), dense.score(x, clean), 1e-7);
    }
}

#[test]
fn probabilistic_components_are_a_full_gaussian() -> Result<(), OracleError> {
    let samples = images(200);
    let all = PrincipalComponents::fit(&samples, 64)?;
    agree(&all.gaussian(), &Gaussian::fit(&samples)?, 0.0);

    // Ten components and one variance for all other directions.
    let few = PrincipalComponents::fit(&samples, 10)?;
    let rest = all.variances()[10..].iter().sum::<f64>() / 54.0;
    assert_relative_eq!(few.rest(), rest, max_relative = 1e-10);
    let covariance: Vec<Vec<f64>> = (0..64)
        .map(|i| {
            let row = (0..64).map(|j| {
                let pairs = few.variances().iter().zip(few.axes());
                let own = if i == j { rest } else { 0.0 };
                own + pairs.map(|(l, e)| (l - rest) * e[i] * e[j]).sum::<f64>()
            });
            row.collect()
        })
        .collect();
    agree(
        &few.gaussian(),
        &Gaussian::full(few.mean(), &covariance)?,
        rest,
    );
    // On images as on vectors.
    let image = wide([2, 1, 8, 8], 7);
    let flat = few
        .gaussian()
        .score(image.clone().flatten::<2>(1, 3), Level::CLEAN);
    close(
        few.gaussian().score(image, Level::CLEAN).flatten(1, 3),
        flat,
        1e-12,
    );
    Ok(())
}

#[test]
fn some_values_determine_a_posterior() -> Result<(), OracleError> {
    let mean = [0.5, -1.0, 0.0, 2.0];
    let factors = [vec![1.0, 0.5, -0.3, 0.2], vec![0.0, 1.0, 0.4, -0.9]];
    let rest = [0.1, 0.3, 0.0, 0.05];
    let prior = FactorGaussian::new(&mean, &factors, &rest)?;
    let covariance: Vec<Vec<f64>> = (0..4)
        .map(|i| {
            let row = (0..4).map(|j| {
                let own = if i == j { rest[i] } else { 0.0 };
                own + factors.iter().map(|f| f[i] * f[j]).sum::<f64>()
            });
            row.collect()
        })
        .collect();
    let dense = Gaussian::full(&mean, &covariance)?;
    let (places, y, sigma) = ([2, 0], [0.7, -0.4], 0.2);
    let rows = [vec![0.0, 0.0, 1.0, 0.0], vec![1.0, 0.0, 0.0, 0.0]];
    let posterior = prior.posterior(&places, &y, sigma)?;
    let expected = dense.posterior(&rows, &y, sigma)?;
    for (a, b) in posterior.mean().iter().zip(expected.mean()) {
        assert_relative_eq!(*a, b, max_relative = 1e-10);
    }
    agree(&posterior, &expected, 0.0);
    assert!(prior.posterior(&[0, 0], &y, sigma).is_err());
    assert!(prior.posterior(&[4, 0], &y, sigma).is_err());
    assert!(prior.posterior(&places, &y, 0.0).is_err());
    // Without factors.
    let alone = FactorGaussian::new(&mean, &[], &[0.1, 0.3, 0.2, 0.05])?;
    let stds = [0.1, 0.3, 0.2, 0.05].map(f64::sqrt);
    agree(&alone, &Gaussian::diagonal(&mean, &stds)?, 0.05);
    Ok(())
}

#[test]
fn samples_have_the_moments() -> Result<(), OracleError> {
    let factors = [vec![1.0, 0.5], vec![0.0, 1.0]];
    let law = FactorGaussian::new(&[1.0, -1.0], &factors, &[0.25, 0.5])?;
    let fitted = Gaussian::fit(&law.sample([40_000, 1, 2], 3, &Device::flex()))?;
    // Four standard errors.
    for (found, exact) in fitted.mean().iter().zip([1.0, -1.0]) {
        assert_abs_diff_eq!(*found, exact, epsilon = 0.03);
    }
    for (i, j, exact) in [(0, 0, 1.25), (0, 1, 0.5), (1, 1, 1.75)] {
        assert_abs_diff_eq!(fitted.covariance()[i][j], exact, epsilon = 0.05);
    }
    assert_eq!(law.variances(), [1.25, 1.75]);
    assert!(law.accepts([4, 3]).is_err() && law.accepts([4, 1, 2]).is_ok());
    Ok(())
}
