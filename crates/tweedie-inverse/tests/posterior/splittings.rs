//! Splittings with the denoiser of a Gaussian end at the mean of the posterior; the stabilised
//! Langevin dynamics has the posterior's law.

use crate::{SIGMA, correlated, device, gap, inpainting, posterior};
use approx::abs_diff_eq;
use burn::tensor::{DType, Tensor};
use tweedie_core::HostNoise;
use tweedie_core::oracle::Gaussian;
use tweedie_inverse::posterior::{PnpAdmm, PnpGradient, SkRock};
use tweedie_math::{Level, LevelPath};
use tweedie_samplers::{OverlapNoise, Sampler, Step, affine_law};

/// The end of a run of `moves` moves at noise 0.1, from the origin.
fn end(step: impl Step<2>, moves: usize) -> Vec<f64> {
    let level = Level::variance_exploding(0.1).expect("a level");
    let sampler = Sampler::new(step, LevelPath::staying(level, moves).expect("a path"));
    let x = Tensor::zeros([1, 2], (&device(), DType::F64));
    let x = sampler.sample(&correlated(), x, &mut HostNoise::seeded(0));
    x.expect("a run").into_data().iter::<f64>().collect()
}

#[test]
fn splittings_end_at_the_mean_of_the_posterior() {
    let m = inpainting();
    let exact = posterior(&correlated());
    // The proximal operators of another τ than the denoiser's weigh the prior by τ/0.01.
    let tau = 0.04;
    let strong = Gaussian::full(&[1.0, -1.0], &[vec![2.0, 1.2], vec![1.2, 1.6]]);
    let weaker = posterior(&strong.expect("a Gaussian"));
    let scaled = |it: PnpAdmm<_>| it.with_step_size(tau).expect("a size");
    let runs = [
        ("PGD", end(PnpGradient::new(&m), 2000), &exact),
        (
            "FISTA",
            end(PnpGradient::new(&m).with_momentum(), 2000),
            &exact,
        ),
        ("ADMM", end(PnpAdmm::new(&m), 2000), &exact),
        ("DRS", end(PnpAdmm::douglas_rachford(&m), 2000), &exact),
        ("ADMM, τ", end(scaled(PnpAdmm::new(&m)), 2000), &weaker),
        (
            "DRS, τ",
            end(scaled(PnpAdmm::douglas_rachford(&m)), 2000),
            &weaker,
        ),
    ];
    for (name, found, exact) in runs {
        for (found, exact) in found.iter().zip(exact.mean()) {
            let holds = abs_diff_eq!(*found, exact, epsilon = 1e-6);
            assert!(holds, "{name}: {found} {exact}");
        }
    }
}

/// The largest step is the largest stable one, far beyond that of plain Langevin dynamics, and the
/// chain has the law `p(y | x) p_σ(x)`, with the prior blurred by the denoiser's noise.
#[test]
fn stabilised_steps_are_long_and_stable() {
    // A prior of one point has the largest curvature that the step size allows for, 1/σ².
    let point = Gaussian::isotropic(&[1.0, -1.0], 1e-9).expect("a Gaussian");
    let blurred = Gaussian::isotropic(&[1.0, -1.0], 0.1).expect("a Gaussian");
    let exact = posterior(&blurred);
    let (m, level) = (
        inpainting(),
        Level::variance_exploding(0.1).expect("a level"),
    );
    let curvature = SIGMA.powi(-2);
    let law = |curvature, fraction| {
        let step = SkRock::new(&m, curvature).expect("a curvature");
        let step = step.with_fraction(fraction).expect("a fraction");
        // In units of half of the largest stable step of plain Langevin dynamics.
        let ratio = step.step_size(level) * (SIGMA.powi(-2) + level.snr());
        let sampler = Sampler::new(step, LevelPath::staying(level, 300).expect("a path"));
        let start = Gaussian::isotropic(&[0.0, 0.0], 0.0).expect("a Gaussian");
        let noise = OverlapNoise::Independent;
        let law = affine_law(&sampler, &point, [1, 2], &start, noise, &device());
        let gaps = law.map(|law| gap(&law, &exact));
        let most = gaps.map(|gaps| {
            gaps.into_iter()
                .fold(0.0, |most: f64, it| it.abs().max(most))
        });
        (ratio, most.unwrap_or(f64::INFINITY))
    };
    let (ratio, long) = law(curvature, 1.0);
    let (_, short) = law(curvature, 0.003);
    // As if the likelihood had less curvature than it has: the step is too long.
    let (_, unstable) = law(0.0, 1.0);
    println!("{ratio:.1} times: {long:.5}, {short:.5}, {unstable:.1e}");
    assert!(ratio > 150.0, "{ratio}");
    assert!(long < 0.01 && short < 0.3 * long, "{long} {short}");
    assert!(unstable > 1.0, "{unstable}");
}
