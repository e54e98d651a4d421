//! Compares 20,000 draws of every sampler with the exact distribution.
//!
//! Two statistics, each in units of its Monte Carlo error:
//!
//! * The sliced Wasserstein distance to exact draws, minus its mean between two sets of exact
//!   draws, in standard deviations of the latter.
//! * The largest error of a mean or a covariance, in standard errors.

use crate::{device, mixture, values};
use burn::tensor::Tensor;
use tweedie_catalogue::{converging_steps, schedules};
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_core::{BrownianTree, Denoiser, HostNoise, Noise, from_fn};
use tweedie_math::multistep::{DpmSolverMultistep, Order};
use tweedie_math::{
    Ancestral, Ddim, Level, LevelPath, ReverseDiffusion, Schedule, Span, VarianceExploding,
    VariancePreserving,
};
use tweedie_metrics::sliced_wasserstein;
use tweedie_samplers::{
    Adaptive, AdaptiveSde, AnnealedLangevin, AnyStep, Churn, Langevin, Mala, PredictorCorrector,
    RungeKutta, Sampler, Step,
};

const COUNT: usize = 20_000;
const VP: fn() -> VariancePreserving = VariancePreserving::default;

/// The largest accepted distance, in standard deviations above the mean between exact draws.
///
/// The distance is dominated by the clusters' shares, whose errors are normal, so it is about
/// half-normal. Six standard deviations above the mean of a half-normal variable are 4.4 of the
/// normal one, which one draw in 100,000 exceeds.
const FAR: f64 = 6.0;

fn distance(x: &Tensor<2>, y: &Tensor<2>) -> f64 {
    sliced_wasserstein(x, y, 1.0, 50, 0)
}

/// Mean and standard deviation of the distance between exact draws.
struct Between {
    mean: f64,
    deviation: f64,
}

impl Between {
    fn new(draw: impl Fn(u64) -> Tensor<2>) -> Self {
        let distances: Vec<f64> = (10..30)
            .map(|i| distance(&draw(2 * i), &draw(2 * i + 1)))
            .collect();
        let n = distances.len() as f64;
        let mean = distances.iter().sum::<f64>() / n;
        let variance = distances.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n;
        Self {
            mean,
            deviation: variance.sqrt(),
        }
    }

    /// By how many standard deviations a distance exceeds the mean between exact draws.
    fn above(&self, distance: f64) -> f64 {
        (distance - self.mean) / self.deviation
    }
}

/// The reference that draws are compared with.
struct Truth {
    prior: GaussianMixture,
    exact: Tensor<2>,
    between: Between,
}

impl Truth {
    fn new() -> Self {
        let prior = mixture();
        let draw = |seed| prior.sample(COUNT, seed, &device());
        Self {
            exact: draw(1),
            between: Between::new(draw),
            prior,
        }
    }

    /// The distance in standard deviations above that between exact draws, and the largest error of
    /// a moment in standard errors.
    fn errors(&self, x: &Tensor<2>) -> (f64, f64) {
        let distance = self.between.above(distance(x, &self.exact));
        let (mean, covariance) = (self.prior.mean(), self.prior.covariance());
        let x = values(x.clone());
        // The error of an average over the draws, in its standard errors.
        let moment = |f: &dyn Fn(&[f64]) -> f64, expected: f64| {
            let terms: Vec<f64> = x.chunks(2).map(f).collect();
            let n = terms.len() as f64;
            let average = terms.iter().sum::<f64>() / n;
            let spread = terms.iter().map(|t| (t - average).powi(2)).sum::<f64>() / n;
            (average - expected).abs() / (spread / n).sqrt()
        };
        let mut worst = 0.0_f64;
        for i in 0..2 {
            worst = worst.max(moment(&|p| p[i], mean[i]));
            for j in 0..=i {
                let product = |p: &[f64]| (p[i] - mean[i]) * (p[j] - mean[j]);
                worst = worst.max(moment(&product, covariance[i][j]));
            }
        }
        (distance, worst)
    }

    #[track_caller]
    fn assert_law(&self, name: &str, x: &Tensor<2>, moments: f64) {
        let found = self.errors(x);
        println!(
            "{name}: {:.2} deviations, {:.2} standard errors",
            found.0, found.1
        );
        assert!(found.0 < FAR, "{name}: {} deviations", found.0);
        assert!(found.1 < moments, "{name}: {} standard errors", found.1);
    }

    fn run(&self, step: impl Step<2>, path: LevelPath, noise: &mut dyn Noise<2>) -> Tensor<2> {
        let sampler = Sampler::new(step, path);
        let x = sampler.start([COUNT, 2], &device(), noise);
        sampler
            .sample(&self.prior, x.expect("a run"), noise)
            .expect("a run")
    }
}

fn path(schedule: impl Schedule, steps: usize) -> LevelPath {
    // Brownian motion still has noise at a thousandth of its time.
    let end = match schedule.level(1e-3).log_snr() < 6.0 {
        true => schedule.time(9.0),
        false => 1e-3,
    };
    let path = LevelPath::karras(schedule, Span::new(0.999, end), steps, 7.0);
    path.expect("a path").then_clean()
}

#[test]
fn every_step_with_noise_draws_from_the_law() {
    let truth = Truth::new();
    for entry in converging_steps().into_iter().filter(|it| it.is_noisy) {
        let first_order = entry.order == 1;
        let steps = if first_order { 400 } else { 60 };
        let path = path(VP(), steps);
        let x = if entry.overlaps {
            truth.run(entry.step, path, &mut BrownianTree::seeded(5))
        } else {
            truth.run(entry.step, path, &mut HostNoise::seeded(5))
        };
        truth.assert_law(entry.name, &x, 5.0);
    }
}

#[test]
fn every_process_leads_to_the_law() {
    let truth = Truth::new();
    let solver = DpmSolverMultistep::plus_plus(Order::Second);
    for (name, schedule) in schedules() {
        let path = path(schedule, 60);
        let mut noise = HostNoise::seeded(5);
        let x = truth.run(solver, path.clone(), &mut noise);
        truth.assert_law(&format!("{name}, flow"), &x, 5.0);
        let x = truth.run(solver.sde(), path, &mut noise);
        truth.assert_law(&format!("{name}, SDE"), &x, 5.0);
    }
}

#[test]
fn the_other_samplers_draw_from_the_law() {
    let truth = Truth::new();
    let mut noise = HostNoise::seeded(5);
    let churn = Churn::new(RungeKutta::heun(), 10.0, 40);
    let x = truth.run(churn.expect("a parameter"), path(VP(), 40), &mut noise);
    truth.assert_law("churn", &x, 5.0);
    let x = truth.run(Adaptive::bogacki_shampine(), path(VP(), 5), &mut noise);
    truth.assert_law("adaptive", &x, 5.0);
    let mut brownian = BrownianTree::seeded(3);
    let whole = LevelPath::through(vec![VP().level(1.0), VP().level(1e-3)]).expect("a path");
    let x = truth.run(AdaptiveSde::new(VP()), whole.then_clean(), &mut brownian);
    truth.assert_law("adaptive SDE", &x, 5.0);
    // Half as many moves as the predictor needs without a corrector.
    let corrector = Langevin::annealed(0.05, 1.0).expect("a parameter");
    let step = PredictorCorrector::new(ReverseDiffusion, corrector);
    let x = truth.run(step, path(VP(), 200), &mut noise);
    truth.assert_law("predictor–corrector", &x, 5.0);
}

#[test]
fn the_signal_to_noise_rule_holds_in_many_dimensions() {
    // In many dimensions norms are close to their average; in the plane a score can vanish.
    let (dim, count) = (400, 500);
    let prior = Gaussian::isotropic(&vec![1.0; dim], 0.5).expect("a Gaussian");
    let variance = |corrector: Option<Langevin>| {
        let path = path(VarianceExploding::new(0.01, 20.0).expect("a schedule"), 30);
        let step: AnyStep<2> = match corrector {
            Some(corrector) => {
                AnyStep::new(PredictorCorrector::new(ReverseDiffusion, corrector).with_repeats(4))
            }
            None => AnyStep::new(ReverseDiffusion),
        };
        let mut noise = HostNoise::seeded(4);
        let sampler = Sampler::new(step, path);
        let x = sampler.start([count, dim], &device(), &mut noise);
        let x = sampler
            .sample(&prior, x.expect("a run"), &mut noise)
            .expect("a run");
        (x - 1.0).square().mean().into_scalar::<f64>()
    };
    let (alone, corrected) = (
        variance(None),
        variance(Some(Langevin::signal_to_noise(0.16).expect("a parameter"))),
    );
    let error = |variance: f64| (variance / 0.25 - 1.0).abs();
    println!("variance {alone} alone, {corrected} corrected, 0.25 exact");
    assert!(error(corrected) < 0.05 && error(corrected) < 0.5 * error(alone));
}

#[test]
fn chains_at_one_level_stay_in_its_law() {
    let truth = Truth::new();
    let mut noise = HostNoise::seeded(5);
    // A level where the clusters still overlap.
    let level = Level::variance_exploding(0.7).expect("a level");
    let noisy = |seed| {
        let clean = truth.prior.sample(COUNT, seed, &device());
        let mut noise = HostNoise::seeded(seed + 1000);
        clean.clone() + noise.normal_like(&clean) * level.sigma()
    };
    let (reference, between) = (noisy(1), Between::new(noisy));
    let stay = |steps| LevelPath::staying(level, steps).expect("a path");
    let prior = &truth.prior;
    let run = |step: AnyStep<2>, steps, noise: &mut HostNoise| {
        let sampler = Sampler::new(step, stay(steps));
        let x = sampler.sample(prior, noisy(2) * 0.3, noise);
        let above = between.above(distance(&x.expect("a run"), &reference));
        println!("{above:.2} deviations");
        above
    };
    let small = run(
        AnyStep::new(Langevin::fixed(0.02).expect("ε")),
        300,
        &mut noise,
    );
    assert!(small < FAR, "ULA, ε = 0.02: {small} deviations");
    // A large step is biased, and the Metropolis test removes the bias.
    let large = run(
        AnyStep::new(Langevin::fixed(0.5).expect("ε")),
        60,
        &mut noise,
    );
    assert!(large > 2.0 * FAR, "ULA, ε = 0.5: {large} deviations");
    let exact = mixture();
    let adjusted = Mala::new(0.5, move |x, level| exact.log_density(x, level)).expect("ε");
    let adjusted = run(AnyStep::new(adjusted), 60, &mut noise);
    assert!(adjusted < FAR, "MALA, ε = 0.5: {adjusted} deviations");
}

#[test]
fn annealed_langevin_dynamics_finds_the_clusters() {
    let truth = Truth::new();
    let ve = VarianceExploding::new(0.02, 10.0).expect("a schedule");
    let levels = LevelPath::log_snr(ve, Span::FULL, 20).expect("a path");
    let step = AnnealedLangevin::new(40, 2e-4, levels.end());
    let x = truth.run(
        step.expect("a parameter"),
        levels.then_clean(),
        &mut HostNoise::seeded(5),
    );
    truth.assert_law("annealed Langevin dynamics", &x, 6.0);
}

#[test]
fn a_wrong_score_is_seen() {
    // The test can fail: it detects a denoiser whose estimates are 5 % too small.
    let truth = Truth::new();
    let wrong = from_fn(|x: Tensor<2>, level: Level| {
        truth.prior.denoise(x, level).expect("an estimate") * 0.95
    });
    let mut noise = HostNoise::seeded(5);
    for step in [
        AnyStep::new(Ancestral::default()),
        AnyStep::new(Ddim::deterministic()),
    ] {
        let sampler = Sampler::new(step, path(VP(), 300));
        let x = sampler.start([COUNT, 2], &device(), &mut noise);
        let x = sampler
            .sample(&wrong, x.expect("a run"), &mut noise)
            .expect("a run");
        let (distance, moments) = truth.errors(&x);
        assert!(
            distance > FAR && moments > 5.0,
            "{distance} deviations, {moments} standard errors"
        );
    }
}
