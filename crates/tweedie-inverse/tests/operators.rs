//! The laws of operators, on all of them, and the bias of DPS.

#![allow(
    clippy::expect_used,
    clippy::float_cmp,
    reason = "a test may stop at once, and compares exactly where it means to"
)]

use burn::tensor::{DType, Device, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{Denoiser, HostNoise, Noise, vjp};
use tweedie_inverse::{
    Downsample, Dps, DpsStep, GaussianNoise, Likelihood, Linear, Mask, Measurement, Operator,
    OperatorError, adjoint_gap,
};
use tweedie_math::{Ancestral, Ddim, Path, Span, VariancePreserving};
use tweedie_samplers::Sampler;

fn device() -> Device {
    Device::flex()
}

/// Every linear operator on images, with the shape of a signal.
fn operators() -> Vec<(&'static str, Box<dyn Linear<4>>, [usize; 4])> {
    let mask =
        |size, corner, extent| Mask::missing_box(size, corner, extent, &device()).expect("a mask");
    let down = |factor| Downsample::new(factor).expect("an operator");
    vec![
        ("mask", Box::new(mask([8, 8], [2, 2], [4, 4])), [2, 3, 8, 8]),
        (
            "mask, odd",
            Box::new(mask([5, 7], [0, 3], [5, 2])),
            [2, 1, 5, 7],
        ),
        (
            "mask, one pixel",
            Box::new(mask([1, 1], [0, 0], [1, 1])),
            [1, 1, 1, 1],
        ),
        ("downsample 2", Box::new(down(2)), [2, 3, 8, 12]),
        ("downsample 3", Box::new(down(3)), [1, 1, 3, 9]),
        ("downsample 1", Box::new(down(1)), [1, 2, 5, 5]),
    ]
}

fn random(shape: [usize; 4], seed: u64, dtype: DType) -> Tensor<4> {
    HostNoise::seeded(seed).normal_like(&Tensor::zeros(shape, (&device(), dtype)))
}

fn norm(x: Tensor<4>) -> f64 {
    x.square().sum().sqrt().into_scalar::<f64>()
}

#[test]
fn every_operator_obeys_the_laws() {
    for (name, a, shape) in operators() {
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-12)] {
            let x = random(shape, 1, dtype);
            let y = a.apply(x.clone());
            let v = random(y.dims(), 2, dtype);
            assert!(
                adjoint_gap(&a, x.clone(), v.clone()) < tolerance,
                "{name}: adjoint"
            );
            // A A⁺ A = A
            let again = a.apply(a.pinv(y.clone()));
            assert!(
                norm(again - y.clone()) <= tolerance * (1.0 + norm(y.clone())),
                "{name}: pinv"
            );
            // (AᵀA + s I) solve(b) = b
            for shift in [0.01, 3.0] {
                let solved = a.solve(x.clone(), shift);
                let back = a.adjoint(a.apply(solved.clone())) + solved * shift;
                assert!(
                    norm(back - x.clone()) < 20.0 * tolerance * norm(x.clone()),
                    "{name}: solve"
                );
            }
            // A (2x − u) = 2 A x − A u
            let u = random(shape, 3, dtype);
            let linear = a.apply(x.clone() * 2.0 - u.clone()) - (y.clone() * 2.0 - a.apply(u));
            assert!(
                norm(linear) < 10.0 * tolerance * (1.0 + norm(y)),
                "{name}: linearity"
            );
            // The backward pass of apply is the adjoint.
            let (_, pullback) = vjp(x, |x| a.apply(x));
            let gap = norm(pullback.apply(v.clone()) - a.adjoint(v.clone()));
            assert!(gap <= tolerance * norm(v), "{name}: gradient");
        }
    }
}

#[test]
fn samples_of_a_batch_do_not_touch() {
    for (name, a, shape) in operators() {
        let x = random(shape, 4, DType::F32);
        let whole = a.apply(x.clone()).into_data();
        let parts = x
            .chunk(shape[0], 0)
            .into_iter()
            .map(|x| a.apply(x))
            .collect();
        assert_eq!(whole, Tensor::cat(parts, 0).into_data(), "{name}");
    }
    let a = Mask::missing_box([4, 4], [1, 1], [2, 2], &device()).expect("a mask");
    let noise = GaussianNoise::new(0.3).expect("a noise");
    let y = random([1, 1, 4, 4], 5, DType::F32);
    let x = random([3, 1, 4, 4], 6, DType::F32);
    let measured = Measurement::new(a, noise, y);
    let whole = measured.log_likelihood(x.clone()).into_data();
    let parts = x
        .chunk(3, 0)
        .into_iter()
        .map(|x| measured.log_likelihood(x))
        .collect();
    assert_eq!(whole, Tensor::cat(parts, 0).into_data());
}

#[test]
fn gaussian_noise_has_its_density_and_its_draws() {
    let noise = GaussianNoise::new(0.5).expect("a noise");
    let y = Tensor::<2>::from_floats([[1.0, 2.0]], &device());
    let mean = Tensor::<2>::from_floats([[0.0, 2.0], [1.0, 1.0]], &device());
    let found = tweedie_inverse::NoiseModel::log_likelihood(&noise, y, mean);
    assert_eq!(
        found.into_data().iter::<f32>().collect::<Vec<_>>(),
        [-2.0, -2.0]
    );
    let zero = Tensor::<2>::zeros([1, 100_000], &device());
    let drawn = tweedie_inverse::NoiseModel::corrupt(&noise, zero, &mut HostNoise::seeded(1));
    let std = drawn.square().mean().sqrt().into_scalar::<f64>();
    assert!((std - 0.5).abs() < 5.0 * 0.5 / (2e5_f64).sqrt(), "{std}");
}

#[test]
fn nonsense_is_refused() {
    let outside = Mask::missing_box([8, 8], [6, 0], [4, 4], &device()).err();
    assert!(matches!(outside, Some(OperatorError::Box { .. })));
    assert_eq!(Downsample::new(0), Err(OperatorError::Factor { factor: 0 }));
    for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(GaussianNoise::new(sigma).is_err(), "{sigma}");
    }
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
    let operator: &dyn Operator<2> = &measured.operator;
    let _ = operator.apply(Tensor::ones([3, 2], &device()));
}
