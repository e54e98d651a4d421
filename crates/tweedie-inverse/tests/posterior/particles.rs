//! Twisted SMC converges to the posterior as the number of particles grows, for any twist.

use crate::{device, path};
use burn::tensor::Tensor;
use tweedie_core::HostNoise;
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::Mask;
use tweedie_inverse::posterior::{PigdmTwist, Twist, TwistedSmc};
use tweedie_math::{Ddim, LevelPath};
use tweedie_samplers::Sampler;

/// Returns the error of the mean of the unmeasured coordinate, and its standard error. The runs
/// have 20,000 particles in total.
fn error(
    twist: impl Twist<2>,
    prior: &GaussianMixture,
    truth: f64,
    particles: usize,
) -> (f64, f64) {
    let runs = 20_000 / particles;
    let smc = TwistedSmc::new(Ddim::ancestral(), twist).with_particles(particles);
    let sampler = Sampler::new(smc.expect("particles"), path(60));
    let mut noise = HostNoise::seeded(11);
    let x = sampler.start([runs * particles, 2], &device(), &mut noise);
    let x = x.expect("a start");
    let mut run = sampler.trajectory(prior, x, &mut noise).expect("a run");
    let end = run.by_ref().last().expect("moves").expect("a state");
    assert_eq!(run.memory().effective().len(), runs);
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
    let variance = PigdmTwist::new(&measured).with_data_std(0.6);
    let variance = variance.expect("a deviation");
    let errors = |particles| {
        [
            ("DPS", error(&measured, &prior, truth, particles)),
            ("ΠGDM", error(variance.clone(), &prior, truth, particles)),
        ]
    };
    for ((name, (few, chance)), (_, (many, spread))) in errors(2).into_iter().zip(errors(500)) {
        println!(
            "{name}: {few:.3} ± {chance:.3} with 2 particles, {many:.3} ± {spread:.3} with 500"
        );
        // The bias of 500 particles and 60 moves, and four standard errors.
        assert!(
            many.abs() < 0.01 + 4.0 * spread,
            "{name}: {many} ± {spread}"
        );
        // The twist of DPS is biased, and two particles cannot correct it.
        assert!(
            name != "DPS" || few > 4.0 * chance,
            "{name}: {few} ± {chance}"
        );
    }
}

#[test]
fn what_particles_cannot_do_is_refused() {
    let prior = Gaussian::isotropic(&[0.0, 0.0], 1.0).expect("a Gaussian");
    let measured = crate::inpainting();
    let run = |kernel: Ddim, particles, path: LevelPath, batch| {
        let smc = TwistedSmc::new(kernel, &measured).with_particles(particles);
        let sampler = Sampler::new(smc.expect("particles"), path);
        let x = Tensor::<2>::zeros([batch, 2], &device());
        let run = sampler.sample(&prior, x, &mut HostNoise::seeded(0));
        run.expect_err("an error").to_string()
    };
    let whole = run(Ddim::ancestral(), 4, path(5), 6);
    assert!(whole.contains("divisor of the batch"), "{whole}");
    let still = run(Ddim::deterministic(), 2, path(5), 2);
    assert!(still.contains("singular"), "{still}");
    // Added noise would invalidate the weights.
    let up = run(Ddim::ancestral(), 2, path(5).with_time_travel(2, 2), 2);
    assert!(up.contains("raises the noise level"), "{up}");
}
