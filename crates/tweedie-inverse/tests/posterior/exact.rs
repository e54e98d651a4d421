//! Methods are exact where theory says so.

use crate::{correlated, device, gap, inpainting, path, posterior};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{DenoiseError, Denoiser, HostNoise};
use tweedie_inverse::measurement::Measurement;
use tweedie_inverse::noise::GaussianNoise;
use tweedie_inverse::operator::Identity;
use tweedie_inverse::posterior::{Mmps, NoisyLikelihood, Pigdm, PnpDm, ScoreGuidance, Tmpd};
use tweedie_math::{Ancestral, Kernel, Level, LevelPath, VarianceExploding};
use tweedie_samplers::{OverlapNoise, Sampler, Step, affine_law};

/// The exact law of a chain that starts from pure noise.
fn law<S: Step<2>>(sampler: &Sampler<S>, denoiser: &dyn Denoiser<2>) -> Gaussian {
    let start = Gaussian::isotropic(&[0.0, 0.0], 0.0).expect("a Gaussian");
    let law = affine_law(
        sampler,
        denoiser,
        [1, 2],
        &start,
        OverlapNoise::BrownianPath,
        &device(),
    );
    law.expect("a law")
}

fn largest(gaps: [f64; 5]) -> f64 {
    gaps.into_iter().fold(0.0, |most, gap| gap.abs().max(most))
}

/// The guided denoiser equals that of the posterior, so the law of the chain does too.
#[test]
fn moment_matching_is_exact_on_gaussian_priors() {
    let measured = inpainting();
    let isotropic = Gaussian::isotropic(&[1.0, -1.0], 0.7).expect("a Gaussian");
    for prior in [correlated(), isotropic.clone()] {
        let sampler = Sampler::new(Ancestral::default(), path(30));
        let exact = law(&sampler, &posterior(&prior));
        let found = law(&sampler, &Mmps::new(&prior, &measured));
        assert_abs_diff_eq!(largest(gap(&found, &exact)), 0.0, epsilon = 1e-9);
    }
    let sampler = Sampler::new(Ancestral::default(), path(30));
    let exact = law(&sampler, &posterior(&isotropic));
    let pigdm = Pigdm::new(&isotropic, &measured)
        .with_data_std(0.7)
        .expect("a deviation");
    let difference = largest(gap(&law(&sampler, &pigdm), &exact));
    assert_abs_diff_eq!(difference, 0.0, epsilon = 1e-9);
    let difference = largest(gap(
        &law(&sampler, &Tmpd::new(&isotropic, &measured)),
        &exact,
    ));
    assert_abs_diff_eq!(difference, 0.0, epsilon = 1e-9);
    // ΠGDM is not exact for correlated priors.
    let exact = law(&sampler, &posterior(&correlated()));
    let prior = correlated();
    let pigdm = Pigdm::new(&prior, &measured)
        .with_data_std(0.7)
        .expect("a deviation");
    assert!(largest(gap(&law(&sampler, &pigdm), &exact)) > 0.01);
}

/// The exact `log p(y | x_t)`, from the densities of a Gaussian prior and its posterior.
struct Known(Gaussian, Gaussian);

impl NoisyLikelihood<2> for Known {
    fn log_likelihood(&self, x: Tensor<2>, level: Level) -> Result<Tensor<1>, DenoiseError> {
        Ok(self.1.log_density(x.clone(), level) - self.0.log_density(x, level))
    }
}

#[test]
fn a_known_likelihood_of_noisy_states_is_exact() {
    let (prior, exact) = (correlated(), posterior(&correlated()));
    let guided = ScoreGuidance::new(&prior, Known(prior.clone(), exact.clone()));
    let level = Level::new(0.6, 0.8).expect("a level");
    let x = Tensor::from_data([[0.4, 1.1], [-2.0, 0.3]], (&device(), DType::F64));
    let off =
        guided.denoise(x.clone(), level).expect("an estimate") - exact.posterior_mean(x, level);
    assert_abs_diff_eq!(off.abs().max().into_scalar::<f64>(), 0.0, epsilon = 1e-7);
}

/// The reverse VE process from the measurement converges to the posterior at the order of its
/// steps. Mean and variance of the chain are computed move by move.
#[test]
fn denoising_is_the_reverse_process() {
    let (m, c, y, sigma) = (1.0, 0.49, 0.3, 0.5);
    let one = Tensor::<2>::from_data([[y]], (&device(), DType::F64));
    let measured = Measurement::new(Identity, GaussianNoise::new(sigma).expect("a noise"), one);
    let exact = Gaussian::isotropic(&[m], 0.7).expect("a Gaussian");
    let exact = exact
        .posterior(&[vec![1.0]], &[y], sigma)
        .expect("a posterior");
    let error = |moves: usize| {
        let schedule = VarianceExploding::default();
        let (path, x) = measured.reverse(schedule, 0.0, moves).expect("a path");
        let (mut mean, mut variance) = (x.into_scalar::<f64>(), 0.0);
        for mv in path.moves() {
            let step = Ancestral::default().transition(mv.from, mv.to);
            let step = step.expect("a move");
            let (a, s) = (mv.from.alpha(), mv.from.sigma());
            let gain = a * c / (a * a * c + s * s);
            mean = step.state * mean + step.clean * (m + gain * (mean - a * m));
            variance *= (step.state + step.clean * gain).powi(2);
            variance += step.noise.powi(2);
        }
        let off = [mean - exact.mean()[0], variance - exact.covariance()[0][0]];
        off[0].abs().max(off[1].abs())
    };
    let (coarse, fine) = (error(50), error(200));
    assert!(fine < 0.01 && coarse / fine > 3.0, "{coarse} {fine}");
}

/// At a constant level, split Gibbs samples the posterior blurred by ρ.
#[test]
fn split_gibbs_keeps_the_posterior() {
    let prior = Gaussian::isotropic(&[1.0], 0.7).expect("a Gaussian");
    let noise = GaussianNoise::new(0.5).expect("a noise");
    let y = Tensor::<2>::full([1, 1], 0.3, &device());
    let measured = Measurement::new(Identity, noise, y);
    let rho = 0.3;
    // z = x₀ + ρ ε with p(x₀, z | y) ∝ p(x₀) N(z; x₀, ρ²) N(y; z, σ²): the posterior of x₀ has
    // noise variance σ² + ρ².
    let exact = prior
        .posterior(&[vec![1.0]], &[0.3], 0.5_f64.hypot(rho))
        .expect("a posterior");
    let level = Level::variance_exploding(rho).expect("a level");
    let path = LevelPath::staying(level, 40).expect("a path");
    let path = LevelPath::through([path.levels(), &[Level::CLEAN]].concat()).expect("a path");
    let step = PnpDm::new(measured).with_moves(40).expect("moves");
    let sampler = Sampler::new(step, path);
    let mut random = HostNoise::seeded(1);
    let x = Tensor::<2>::zeros([20_000, 1], &device());
    let x = sampler.sample(&prior, x, &mut random).expect("a run");
    let (variance, mean) = x.var_mean(0);
    let (mean, variance) = (mean.into_scalar::<f64>(), variance.into_scalar::<f64>());
    let (m, v) = (exact.mean()[0], exact.covariance()[0][0]);
    // Four standard errors, and the bias of 40 moves.
    let bound = 4.0 * (v / 20_000.0).sqrt();
    assert!(abs_diff_eq!(mean, m, epsilon = bound + 0.01), "{mean} {m}");
    assert!(
        abs_diff_eq!(variance / v, 1.0, epsilon = 0.08),
        "{variance} {v}"
    );
}

/// A Gaussian measurement coupled to a point is a Gaussian in closed form.
#[test]
fn perturb_and_solve_draws_the_gaussian() {
    use tweedie_inverse::posterior::{LangevinLikelihoodStep, LikelihoodStep};
    let measured = inpainting();
    let centre = Tensor::<2>::from_floats([[1.0, 2.0]], &device()).repeat_dim(0, 40_000);
    // The first coordinate has precision 1/σ_y² + 1/r²; the second keeps standard deviation r.
    let r: f64 = 0.4;
    let precision = 25.0 + r.powi(-2);
    let mean = (0.3 * 25.0 + r.powi(-2)) / precision;
    let exact = LangevinLikelihoodStep::new(measured.clone(), 25.0)
        .expect("a parameter")
        .with_size(0.02)
        .expect("a parameter")
        .with_steps(400)
        .expect("steps");
    let draws: [(f64, Tensor<2>); 2] = [
        (
            0.01,
            measured
                .draw(
                    centre.clone().cast(DType::F64),
                    r,
                    &mut HostNoise::seeded(3),
                )
                .expect("an estimate"),
        ),
        (
            0.02,
            exact
                .draw(centre.cast(DType::F64), r, &mut HostNoise::seeded(3))
                .expect("an estimate"),
        ),
    ];
    for (bound, x) in draws {
        let (variance, found) = x.var_mean(0);
        let host = |x: Tensor<2>| x.into_data().iter::<f64>().collect::<Vec<_>>();
        let (found, variance) = (host(found), host(variance));
        assert!(
            abs_diff_eq!(found[0], mean, epsilon = bound)
                && abs_diff_eq!(found[1], 2.0, epsilon = bound)
        );
        assert!(
            abs_diff_eq!(variance[0] * precision, 1.0, epsilon = 4.0 * bound),
            "{variance:?}"
        );
        assert!(
            abs_diff_eq!(variance[1] / (r * r), 1.0, epsilon = 4.0 * bound),
            "{variance:?}"
        );
    }
}
