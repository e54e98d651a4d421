//! The bias of DPS.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use burn::tensor::{Device, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{Denoiser, HostNoise};
use tweedie_inverse::{Dps, DpsStep, GaussianNoise, Mask, Measurement};
use tweedie_math::{Ancestral, Ddim, Path, Span, VariancePreserving};
use tweedie_samplers::Sampler;

fn device() -> Device {
    Device::flex()
}

/// How far DPS is from the exact posterior of a Gaussian prior, as mean and variance of the
/// measured coordinate and of the other: recorded numbers, with five standard errors.
#[test]
fn the_bias_of_dps_is_what_was_recorded() {
    let prior = Gaussian::isotropic(&[2.0, 0.0], 0.3).expect("a Gaussian");
    let (y, sigma, count) = (1.7, 0.2, 20_000);
    let exact = prior
        .posterior(&[vec![1.0, 0.0]], &[y], sigma)
        .expect("a posterior");
    let moments = |x: Tensor<2>| {
        let (variance, mean) = x.var_mean(0);
        let host = |x: Tensor<2>| x.into_data().iter::<f64>().collect::<Vec<_>>();
        [
            host(mean.clone())[0],
            host(variance.clone())[0],
            host(mean)[1],
            host(variance)[1],
        ]
    };
    let path = Path::uniform(VariancePreserving::default(), Span::default(), 200).expect("a path");
    let kept = Tensor::<2>::from_floats([[1.0, 0.0]], &device()).greater_scalar(0.5);
    let observed = Tensor::<2>::from_floats([[y, 0.0]], &device());
    let noise_model = GaussianNoise::new(sigma).expect("a noise");
    let measured = Measurement::new(Mask::new(kept.clone()), noise_model, observed.clone());
    let run = |denoiser: &dyn Denoiser<2>| {
        let mut noise = HostNoise::seeded(2);
        let sampler = Sampler::new(Ddim::ancestral(), path.clone());
        let x = sampler.start([count, 2], &device(), &mut noise);
        moments(sampler.sample(denoiser, x, &mut noise).expect("a run"))
    };
    let published = {
        let mut noise = HostNoise::seeded(2);
        let operator = Mask::new(kept);
        let step = DpsStep {
            kernel: Ancestral::default(),
            operator,
            y: observed,
            zeta: 0.1,
        };
        let sampler = Sampler::new(step, path.clone());
        let x = sampler.start([count, 2], &device(), &mut noise);
        moments(sampler.sample(&prior, x, &mut noise).expect("a run"))
    };
    // Mean and variance of the measured coordinate, then of the free one.
    let truth = [exact.mean()[0], exact.covariance()[0][0], 0.0, 0.09];
    for (name, found, bias) in [
        ("exact", run(&exact), EXACT),
        ("DPS", run(&Dps::new(&prior, &measured)), DPS),
        ("DPS, published", published, PUBLISHED),
    ] {
        let found: Vec<f64> = found
            .iter()
            .zip(truth)
            .map(|(found, truth)| found - truth)
            .collect();
        println!("{name}: bias {found:.4?}");
        // Five standard errors of a mean, 0.3/√20000, and of a variance, 0.09 √(2/20000).
        for ((found, recorded), bound) in found.iter().zip(bias).zip([0.011, 0.0045, 0.011, 0.0045])
        {
            assert!(
                (found - recorded).abs() < bound,
                "{name}: {found} instead of {recorded}"
            );
        }
    }
}

/// Of mean and variance of the measured coordinate, then of the free one: the sampler's own
/// discretisation error, which is that of every row.
const EXACT: [f64; 4] = [0.0004, -0.0046, -0.0009, -0.0082];
/// DPS is overconfident: a third of the variance is missing, and the mean is pulled past the truth.
const DPS: [f64; 4] = [-0.0623, -0.0124, -0.0009, -0.0082];
/// DPS as published, ζ = 0.1.
const PUBLISHED: [f64; 4] = [-0.0932, -0.0243, -0.0009, -0.0082];

#[test]
fn guided_denoisers_know_where_they_end() {
    let prior = Gaussian::isotropic(&[0.0, 0.0], 1.0).expect("a Gaussian");
    let kept = Tensor::<2>::ones([1, 2], &device()).greater_scalar(0.5);
    let y = Tensor::<2>::zeros([1, 2], &device());
    let noise = GaussianNoise::new(0.1).expect("a noise");
    let measured = Measurement::new(Mask::new(kept), noise, y);
    assert!(!Dps::new(&prior, &measured).supports(tweedie_math::Level::PURE_NOISE));
}
