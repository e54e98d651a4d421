//! Methods that differentiate neither the operator nor, but for DPG, the network.

use crate::{correlated, device, inpainting, path, posterior};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{Denoiser, HostNoise, Noise};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::posterior::{Dpg, EnKg, Pigdm, Scg};
use tweedie_math::{Ddim, Level};
use tweedie_samplers::{Sampler, Step};

/// The draws of a run on the inpainting problem.
fn draws(step: impl Step<2>, count: usize, seed: u64) -> Tensor<2> {
    let sampler = Sampler::new(step, path(60));
    let mut noise = HostNoise::seeded(seed);
    let x = sampler.start([count, 2], &device(), &mut noise);
    let x = x.expect("a start").cast(DType::F64);
    let x = sampler.sample(&correlated(), x, &mut noise);
    x.expect("a run")
}

fn moments(x: Tensor<2>) -> [Vec<f64>; 2] {
    let (variance, mean) = x.var_mean(0);
    [mean, variance].map(|x| x.into_data().iter::<f64>().collect())
}

/// Parts of the likelihood draw from the posterior. The published update collapses.
#[test]
fn a_tempered_ensemble_keeps_its_spread() {
    const PARTICLES: usize = 400;
    let m = inpainting();
    let exact = posterior(&correlated());
    let flow = Ddim::deterministic();
    let tempered = EnKg::tempered(flow, &m, 0.2).expect("a noise");
    let tempered = tempered.with_particles(PARTICLES).expect("particles");
    let [mean, variance] = moments(draws(tempered, PARTICLES, 3));
    println!(
        "tempered {mean:.3?} {variance:.4?}; exact {:.3?}",
        exact.mean()
    );
    for i in 0..2 {
        let (m, v) = (exact.mean()[i], exact.covariance()[i][i]);
        // Four standard errors, and the bias of 60 moves and of 10 moves of the flow.
        let bound = 4.0 * (v / PARTICLES as f64).sqrt() + 0.02;
        assert!(abs_diff_eq!(mean[i], m, epsilon = bound), "{mean:?} {m}");
        assert!(
            abs_diff_eq!(variance[i] / v, 1.0, epsilon = 0.3),
            "{variance:?} {v}"
        );
    }
    // Going up in between would add parts of the likelihood twice.
    let again = EnKg::tempered(flow, &m, 0.2).expect("a noise");
    let again = again.with_particles(4).expect("particles");
    let sampler = Sampler::new(again, path(6).with_time_travel(2, 2));
    let x = Tensor::zeros([4, 2], (&device(), DType::F64));
    let refused = sampler.sample(&correlated(), x, &mut HostNoise::seeded(0));
    let refused = refused.expect_err("an error").to_string();
    assert!(refused.contains("raises the noise level"), "{refused}");
    let published = EnKg::new(flow, &m).with_particles(PARTICLES);
    let [_, collapsed] = moments(draws(published.expect("particles"), PARTICLES, 3));
    assert!(
        collapsed[0] < 0.1 * exact.covariance()[0][0],
        "{collapsed:?}"
    );
}

/// With one candidate, the kernel itself; with more, a better fit.
#[test]
fn more_candidates_fit_better() {
    let m = inpainting();
    let misfit = |candidates| {
        let step = Scg::new(Ddim::ancestral(), &m).with_candidates(candidates);
        let x = draws(step.expect("candidates"), 500, 5);
        let off = (x.narrow(1, 0, 1) - crate::Y).square().mean();
        off.into_scalar::<f64>().sqrt()
    };
    let [one, few, many] = [1, 4, 32].map(misfit);
    println!("{one:.3}, {few:.3}, {many:.3}");
    // The prior N(1, 0.5) about y = 0.3.
    assert_abs_diff_eq!(one, 0.99_f64.sqrt(), epsilon = 0.1);
    assert!(few < 0.7 * one && many < 0.7 * few, "{one} {few} {many}");
}

/// DPG's estimator converges to the gradient of `log E p(y | x₀)`, which ΠGDM has in closed form.
#[test]
fn the_policy_gradient_is_that_of_the_likelihood() {
    let prior = Gaussian::isotropic(&[0.0, 0.0], 1.0).expect("a Gaussian");
    let m = Measurement {
        y: inpainting().y.cast(DType::F32),
        ..inpainting()
    };
    let level = Level::new(0.8, 0.6).expect("a level");
    let x = HostNoise::seeded(2).normal([1, 2], &device());
    let exact = Pigdm::new(&prior, &m)
        .denoise(x.clone(), level)
        .expect("an estimate");
    let plain = prior.denoise(x.clone(), level).expect("an estimate");
    let error = |draws: usize| {
        let gaps = (0..20).map(|seed| {
            let dpg = Dpg::new(&prior, &m)
                .with_draws(draws)
                .expect("draws")
                .with_seed(seed);
            let off = dpg.denoise(x.clone(), level).expect("an estimate") - exact.clone();
            off.square().sum().into_scalar::<f64>()
        });
        (gaps.sum::<f64>() / 20.0).sqrt()
    };
    let [few, many] = [100, 10_000].map(error);
    let scale = (exact - plain).square().sum().into_scalar::<f64>().sqrt();
    println!("{few:.4}, {many:.4} of {scale:.4}");
    assert!(many < 0.05 * scale && few > 5.0 * many && few < 20.0 * many);
}
