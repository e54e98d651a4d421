//! Encoding data to latents and decoding them.

use crate::{device, values};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{HostNoise, Noise, Replay};
use tweedie_math::multistep::{DpmSolverMultistep, Order};
use tweedie_math::{Ddim, LevelPath, RectifiedFlow, Span, VariancePreserving};
use tweedie_samplers::{Adaptive, AnyStep, RungeKutta, Sampler, UniPc, slerp};

const VP: fn() -> VariancePreserving = VariancePreserving::default;

#[test]
fn encoding_reaches_pure_noise() {
    let prior = Gaussian::diagonal(&[2.0, -1.0], &[0.3, 0.7]).expect("a Gaussian");
    let path = LevelPath::uniform(RectifiedFlow, Span::new(1.0, 0.01), 400).expect("a path");
    let x = Tensor::<2>::from_data([[1.9, -0.3]], (&device(), DType::F64));
    let exact = prior.flow(x.clone(), path.end(), path.start());
    for step in [
        AnyStep::new(Ddim::deterministic()),
        AnyStep::new(RungeKutta::heun()),
        AnyStep::new(DpmSolverMultistep::plus_plus(Order::Second)),
        AnyStep::new(UniPc::new(Order::Second)),
    ] {
        let z = Sampler::new(step, path.clone())
            .encode(&prior, x.clone())
            .expect("a latent");
        let gap = (z - exact.clone()).abs().max().into_scalar::<f64>();
        assert!(gap < 0.1, "{gap}");
    }
}

#[test]
fn a_latent_decodes_to_what_was_encoded() {
    let prior = Gaussian::diagonal(&[2.0, -1.0], &[0.3, 0.7]).expect("a Gaussian");
    let path = LevelPath::log_snr(VP(), Span::default(), 100).expect("a path");
    let data = Tensor::<2>::from_data([[1.9, -0.3], [2.4, -1.8]], (&device(), DType::F64));
    let x = data * path.end().alpha();
    let steps: [(&str, AnyStep<2>, f64); 4] = [
        ("DDIM", AnyStep::new(Ddim::deterministic()), 0.2),
        ("Heun", AnyStep::new(RungeKutta::heun()), 2e-3),
        (
            "2M++",
            AnyStep::new(DpmSolverMultistep::plus_plus(Order::Second)),
            2e-2,
        ),
        ("adaptive", AnyStep::new(Adaptive::dormand_prince()), 1e-4),
    ];
    for (name, step, tolerance) in steps {
        let sampler = Sampler::new(step, path.clone());
        let z = sampler.encode(&prior, x.clone()).expect("a latent");
        let exact = prior.flow(x.clone(), path.end(), path.start());
        let gap = (z.clone() - exact).abs().max().into_scalar::<f64>();
        assert!(gap < tolerance, "{name}: latent off by {gap}");
        let back = sampler.sample(&prior, z, &mut Replay::new(vec![]));
        let gap = (back.expect("a run") - x.clone())
            .abs()
            .max()
            .into_scalar::<f64>();
        assert!(gap < tolerance, "{name}: back off by {gap}");
    }
}

#[test]
fn a_spherical_mean_keeps_the_length() {
    let mut noise = HostNoise::seeded(1);
    let draw = |noise: &mut HostNoise| -> Tensor<2> { noise.normal([3, 400], &device()) };
    let (a, b) = (draw(&mut noise), draw(&mut noise));
    let length = |x: Tensor<2>| values(x.square().sum_dim(1).sqrt());
    for (la, lb, lm) in length(a.clone())
        .iter()
        .zip(length(b.clone()))
        .zip(length(slerp(a.clone(), b.clone(), 0.5)))
        .map(|((a, b), m)| (*a, b, m))
    {
        assert!(
            abs_diff_eq!(lm / (0.5 * (la + lb)), 1.0, epsilon = 0.01),
            "{lm} between {la} and {lb}"
        );
    }
    let ends = [(0.0, a.clone()), (1.0, b.clone())];
    for (weight, end) in ends {
        let gap = (slerp(a.clone(), b.clone(), weight) - end).abs().max();
        assert_abs_diff_eq!(gap.into_scalar::<f64>(), 0.0, epsilon = 1e-6);
    }
    let same = slerp(a.clone(), a.clone(), 0.3) - a.clone();
    assert_abs_diff_eq!(same.abs().max().into_scalar::<f64>(), 0.0, epsilon = 1e-6);
    let opposite = slerp(a.clone(), -a.clone(), 0.25) - a * 0.5;
    assert_abs_diff_eq!(
        opposite.abs().max().into_scalar::<f64>(),
        0.0,
        epsilon = 1e-6
    );
}
