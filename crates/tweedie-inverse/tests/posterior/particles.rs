//! Twisted SMC draws from the posterior as its particles grow, whatever the twist.

use crate::{device, path};
use burn::tensor::Tensor;
use tweedie_core::HostNoise;
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_inverse::{GaussianNoise, Mask, Measurement, Twist, TwistByVariance, TwistedSmc};
use tweedie_math::Ddim;

/// The error of the mean of a coordinate that was not measured, over runs of 20,000 particles together, and
/// its standard error.
fn error(
    twist: &dyn Twist<2>,
    prior: &GaussianMixture,
    truth: f64,
    particles: usize,
) -> (f64, f64) {
    let runs = 20_000 / particles;
    let smc = TwistedSmc::new(Ddim::ancestral(), path(60), particles);
    let mut noise = HostNoise::seeded(11);
    let x = smc.start([runs * particles, 2], &device(), &mut noise);
    let end = smc.sample(prior, twist, x, &mut noise, |_| ());
    let end = end.expect("a run");
    assert_eq!(end.effective.len(), runs);
    let means = end.x.narrow(1, 1, 1).reshape([runs, particles]).mean_dim(1);
    let (variance, mean) = means.var_mean(0);
    let spread = (variance.into_scalar::<f64>() / runs as f64).sqrt();
    (mean.into_scalar::<f64>() - truth, spread)
}

#[test]
fn particles_correct_what_the_twist_gets_wrong() {
    let prior = GaussianMixture::new(vec![
        (
            0.5,
            Gaussian::isotropic(&[0.5, 1.0], 0.3).expect("a Gaussian"),
        ),
        (
            0.5,
            Gaussian::isotropic(&[-0.5, -1.0], 0.3).expect("a Gaussian"),
        ),
    ])
    .expect("a mixture");
    let exact = prior
        .posterior(&[vec![1.0, 0.0]], &[0.2], 0.5)
        .expect("a posterior");
    let kept = Tensor::<2>::from_floats([[1.0, 0.0]], &device()).greater_scalar(0.5);
    let y = Tensor::<2>::from_floats([[0.2, 0.0]], &device());
    let noise = GaussianNoise::new(0.5).expect("a noise");
    let measured = Measurement::new(Mask::new(kept), noise, y);
    let truth = exact.mean()[1];
    let variance = TwistByVariance::new(&measured, 0.6);
    let twists: [(&str, &dyn Twist<2>); 2] = [("DPS", &measured), ("ΠGDM", &variance)];
    for (name, twist) in twists {
        let (few, chance) = error(twist, &prior, truth, 2);
        let (many, spread) = error(twist, &prior, truth, 500);
        println!(
            "{name}: {few:.3} ± {chance:.3} with 2 particles, {many:.3} ± {spread:.3} with 500"
        );
        // What 500 particles and 60 moves leave, and four standard errors.
        assert!(
            many.abs() < 0.01 + 4.0 * spread,
            "{name}: {many} ± {spread}"
        );
        // The twist of DPS alone is wrong, and two particles cannot mend it.
        assert!(
            name != "DPS" || few > 4.0 * chance,
            "{name}: {few} ± {chance}"
        );
    }
}

#[test]
fn a_batch_that_is_not_whole_is_refused() {
    let prior = Gaussian::isotropic(&[0.0, 0.0], 1.0).expect("a Gaussian");
    let measured = crate::inpainting();
    let smc = TwistedSmc::new(Ddim::ancestral(), path(5), 4);
    let x = Tensor::<2>::zeros([6, 2], &device());
    let error = smc.sample(&prior, &measured, x, &mut HostNoise::seeded(0), |_| ());
    assert!(
        error
            .expect_err("6 is not a multiple of 4")
            .to_string()
            .contains("divisor of the batch")
    );
    let still = TwistedSmc::new(Ddim::deterministic(), path(5), 2);
    let x = Tensor::<2>::zeros([2, 2], &device());
    assert!(
        still
            .sample(&prior, &measured, x, &mut HostNoise::seeded(0), |_| ())
            .is_err()
    );
}
