//! Weighted particles converge to the posterior as their number grows.

use crate::{device, path};
use approx::assert_abs_diff_eq;
use burn::tensor::Tensor;
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_core::{HostNoise, Noise};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::{Identity, Mask};
use tweedie_inverse::posterior::{FpsSmc, McgDiff, PigdmTwist, Twist, TwistedSmc};
use tweedie_math::{Ddim, Level, LevelPath};
use tweedie_samplers::{Sampler, Step};

/// Two Gaussians on the diagonal.
fn two_modes() -> GaussianMixture {
    let at = |mean: [f64; 2]| (0.5, Gaussian::isotropic(&mean, 0.3).expect("a Gaussian"));
    GaussianMixture::new(vec![at([0.5, 1.0]), at([-0.5, -1.0])]).expect("a mixture")
}

/// A measurement of the first coordinate.
fn first_coordinate(y: f64, sigma: f64) -> crate::Inpainting {
    let kept = Tensor::<2>::from_floats([[1.0, 0.0]], &device()).greater_scalar(0.5);
    let y = Tensor::<2>::from_floats([[y, 0.0]], &device());
    Measurement::new(
        Mask::new(kept),
        GaussianNoise::new(sigma).expect("a noise"),
        y,
    )
}

/// Returns the error of the mean of the unmeasured coordinate, and its standard error. The runs
/// have 20,000 particles in total.
fn error(
    twist: impl Twist<2>,
    prior: &GaussianMixture,
    truth: f64,
    particles: usize,
) -> (f64, f64) {
    let smc = TwistedSmc::new(Ddim::ancestral(), twist).with_particles(particles);
    mean_error(smc.expect("particles"), prior, truth, particles)
}

fn mean_error(
    step: impl Step<2>,
    prior: &GaussianMixture,
    truth: f64,
    particles: usize,
) -> (f64, f64) {
    let runs = 20_000 / particles;
    let sampler = Sampler::new(step, path(60));
    let mut noise = HostNoise::seeded(11);
    let x = sampler.start([runs * particles, 2], &device(), &mut noise);
    let end = sampler.sample(prior, x.expect("a start"), &mut noise);
    let end = end.expect("a run");
    let means = end.narrow(1, 1, 1).reshape([runs, particles]).mean_dim(1);
    let (variance, mean) = means.var_mean(0);
    let spread = (variance.into_scalar::<f64>() / runs as f64).sqrt();
    (mean.into_scalar::<f64>() - truth, spread)
}

#[test]
fn particles_correct_what_the_twist_gets_wrong() {
    let (prior, measured) = (two_modes(), first_coordinate(0.2, 0.5));
    let exact = prior
        .posterior(&[vec![1.0, 0.0]], &[0.2], 0.5)
        .expect("a posterior");
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
fn particles_without_gradients_converge() {
    // Nearly without noise, where FPS-SMC is exact as well.
    for (sigma, both) in [(0.5, false), (0.02, true)] {
        let (prior, measured) = (two_modes(), first_coordinate(0.2, sigma));
        let exact = prior.posterior(&[vec![1.0, 0.0]], &[0.2], sigma);
        let truth = exact.expect("a posterior").mean()[1];
        let mcg = |particles| {
            let step = McgDiff::new(Ddim::ancestral(), &measured).with_particles(particles);
            mean_error(step.expect("particles"), &prior, truth, particles)
        };
        let fps = |particles| {
            let step = FpsSmc::new(Ddim::ancestral(), &measured).with_particles(particles);
            mean_error(step.expect("particles"), &prior, truth, particles)
        };
        for (name, [(few, chance), (many, spread)], is_exact) in [
            ("MCG-diff", [mcg(2), mcg(500)], true),
            ("FPS-SMC", [fps(2), fps(500)], both),
        ] {
            println!("{name}, σ = {sigma}: {few:.3} ± {chance:.3}, {many:.3} ± {spread:.3}");
            let within = many.abs() < 0.02 + 4.0 * spread;
            assert!(within || !is_exact, "{name}: {many} ± {spread}");
        }
    }
}

/// A run may begin with some signal left. The first states are draws of the prior, which carry no
/// potential yet.
#[test]
fn particles_that_begin_with_signal_converge() {
    let prior = Gaussian::isotropic(&[0.0], 1.0).expect("a Gaussian");
    let y = Tensor::<2>::full([1, 1], 1.0, &device());
    let measured = Measurement::new(Identity, GaussianNoise::new(0.5).expect("a noise"), y);
    let levels = (0..60).map(|i| Level::variance_preserving(-0.4 + 0.15 * f64::from(i)));
    let levels: Vec<Level> = levels.chain([Level::CLEAN]).collect();
    let path = LevelPath::through(levels).expect("a path");
    let step = McgDiff::new(Ddim::ancestral(), measured).with_particles(4000);
    let sampler = Sampler::new(step.expect("particles"), path);
    let mut noise = HostNoise::seeded(3);
    // The states of a prior N(0, 1) at a level of variance 1.
    let x = noise.normal([4000, 1], &device());
    let x = sampler.sample(&prior, x, &mut noise).expect("a run");
    let (variance, mean) = x.var_mean(0);
    let [mean, variance] = [mean, variance].map(|it| it.into_scalar::<f64>());
    // 1/(1 + 0.25), and 0.2.
    assert_abs_diff_eq!(mean, 0.8, epsilon = 0.04);
    assert_abs_diff_eq!(variance, 0.2, epsilon = 0.04);
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
