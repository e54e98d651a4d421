//! What every run keeps: invariance, reproducibility, refusals, counts.

use crate::registry::converging;
use crate::{device, mixture, values};
use burn::tensor::{DType, Tensor};
use tweedie_core::oracle::{Gaussian, GaussianMixture};
use tweedie_core::{BrownianTree, Counting, HostNoise, Noise, Posterior, Replay, from_fn};
use tweedie_core::{Denoiser, DenoiserExt};
use tweedie_math::multistep::{DpmSolverMultistep, Order};
use tweedie_math::{
    Ancestral, Chain, Cosine, Ddim, Edm, EulerMaruyama, Kernel, Level, Move, Path,
    PosteriorVariance, Rectified, Schedule, Span, VarianceExploding, VariancePreserving, forward,
};
use tweedie_samplers::{
    Adaptive, AnnealedLangevin, AnyStep, Churn, Langevin, LearnedAncestral, PredictorCorrector,
    RungeKutta, SampleError, Sampler, Step, UniPc, slerp,
};

const VP: fn() -> VariancePreserving = VariancePreserving::default;

fn uniform(steps: usize) -> Path {
    Path::uniform(VP(), Span::default(), steps).expect("a path")
}

#[test]
fn the_flow_does_not_depend_on_how_it_is_parametrised() {
    let prior = mixture();
    let z = HostNoise::seeded(3).normal([5, 2], &device());
    let steps: [(&str, AnyStep<2>); 4] = [
        ("DDIM", AnyStep::new(Ddim::deterministic())),
        (
            "2M++",
            AnyStep::new(DpmSolverMultistep::plus_plus(Order::Second)),
        ),
        ("UniPC", AnyStep::new(UniPc::new(Order::Third))),
        ("adaptive", AnyStep::new(Adaptive::tsitouras())),
    ];
    for (step_name, step) in steps {
        let end = |schedule: &dyn Schedule| {
            let log_snrs = (0..=40).map(|i| -6.0 + 0.3 * f64::from(i));
            let level = |log_snr: f64| schedule.level(schedule.time(log_snr));
            let path = Path::through(log_snrs.map(level).collect()).expect("a path");
            // Start from the same y = x/σ, end at the same x/α.
            let start = z.clone() * path.start().sigma();
            let sampler = Sampler::new(step.clone(), path.clone());
            let x = sampler.sample(&prior, start, &mut Replay::new(vec![]));
            values(x.expect("a run") / path.end().alpha())
        };
        let reference = end(&VP());
        for (name, schedule) in [
            ("VE", &VarianceExploding::default() as &dyn Schedule),
            ("rectified", &Rectified),
            ("cosine", &Cosine::default()),
            ("EDM", &Edm::default()),
        ] {
            for (a, b) in end(schedule).iter().zip(&reference) {
                assert!(
                    (a - b).abs() < 5e-4,
                    "{step_name}, {name}: {a} instead of {b}"
                );
            }
        }
    }
}

#[test]
fn a_batch_is_its_samples_and_threads_do_not_matter() {
    let prior = mixture();
    for entry in converging() {
        let sampler = Sampler::new(entry.step, uniform(12).then_clean());
        let run = |first: u64, count: usize| {
            let mut noise = BrownianTree::seeded(9).starting_at(first);
            let x = sampler.start([count, 2], &device(), &mut noise);
            values(sampler.sample(&prior, x, &mut noise).expect("a run"))
        };
        let all = run(0, 8);
        assert!(all.iter().all(|x| x.is_finite()), "{}", entry.name);
        for i in 0..8 {
            assert_eq!(all[2 * i..2 * i + 2], run(i as u64, 1), "{}", entry.name);
        }
        let threads = std::thread::scope(|scope| {
            let threads = [scope.spawn(|| run(0, 8)), scope.spawn(|| run(0, 8))];
            threads.map(|thread| thread.join().expect("a run"))
        });
        assert!(threads.iter().all(|found| *found == all), "{}", entry.name);
    }
}

#[test]
fn time_travel_starts_every_step_anew() {
    let prior = mixture();
    let path = Path::log_snr(VP(), Span::new(1.0, 0.01), 8).expect("a path");
    let (top, end) = (path.start(), path.end());
    for entry in converging() {
        let travelling = Sampler::new(entry.step.clone(), path.clone().with_time_travel(8, 2));
        let once = Sampler::new(entry.step, path.clone());
        let mut noise = HostNoise::seeded(2);
        let x = once.start([3, 2], &device(), &mut noise);
        let mut other = noise.clone();
        let travelled = travelling
            .try_sample(&prior, x.clone(), &mut noise)
            .expect("a run");
        // The same by hand: a run, the noise between the ends, another run.
        let down = once.sample(&prior, x, &mut other).expect("a run");
        let up = forward::conditional(end, top);
        let fresh = other.normal_like(&down);
        let again = once.sample(&prior, down * up.state + fresh * up.noise, &mut other);
        assert_eq!(
            values(travelled),
            values(again.expect("a run")),
            "{}",
            entry.name
        );
    }
}

#[test]
fn a_level_that_stands_twice_is_walked_over() {
    let prior = mixture();
    let levels = uniform(6).levels().to_vec();
    let twice = [&levels[..3], &levels[2..]].concat();
    for entry in converging() {
        let sampler = Sampler::new(entry.step, Path::through(twice.clone()).expect("a path"));
        let mut noise = HostNoise::seeded(2);
        let x = sampler.start([3, 2], &device(), &mut noise);
        let end = sampler.try_sample(&prior, x, &mut noise);
        assert!(end.is_ok(), "{}: {end:?}", entry.name);
    }
}

#[test]
fn annealed_langevin_dynamics_follows_the_scale_of_its_levels() {
    // With next to no steps, the state only changes its scale, as the law does.
    let [from, to] = [0.5, 0.3].map(|t| VP().level(t));
    let path = Path::through(vec![from, to]).expect("a path");
    let x = Tensor::<2>::from_data([[0.7, -0.4]], (&device(), DType::F64));
    let sampler = Sampler::new(AnnealedLangevin::new(2, 1e-20, to), path);
    let end = sampler.sample(&mixture(), x.clone(), &mut HostNoise::seeded(0));
    let gap = end.expect("a run") - x * (to.alpha() / from.alpha());
    assert!(gap.abs().max().into_scalar::<f64>() < 1e-8);
}

#[test]
fn what_is_done_between_moves_stays() {
    // With a constant estimate every solver of the flow makes the same moves, whatever stands between.
    struct Shift;
    impl Kernel for Shift {
        fn transition(&self, _: Level, _: Level) -> tweedie_math::Transition {
            tweedie_math::Transition {
                state: 1.5,
                ..tweedie_math::Transition::IDENTITY
            }
        }
    }
    let constant = from_fn(|x: Tensor<2>, _| x.zeros_like() + 0.3);
    let path = Path::log_snr(VP(), Span::new(0.9, 0.1), 6).expect("a path");
    let x = Tensor::<2>::from_data([[0.7, -0.4]], (&device(), DType::F64));
    let end = |step: AnyStep<2>| {
        let step = PredictorCorrector::new(step, Shift);
        let run =
            Sampler::new(step, path.clone()).sample(&constant, x.clone(), &mut Replay::new(vec![]));
        values(run.expect("a run"))
    };
    let reference = end(AnyStep::new(Ddim::deterministic()));
    for (name, step) in [
        ("UniPC", AnyStep::new(UniPc::new(Order::Third))),
        (
            "3M++",
            AnyStep::new(DpmSolverMultistep::plus_plus(Order::Third)),
        ),
        ("Heun", AnyStep::new(RungeKutta::heun())),
    ] {
        for (a, b) in end(step).iter().zip(&reference) {
            assert!((a - b).abs() < 1e-9, "{name}: {a} instead of {b}");
        }
    }
}

#[test]
fn evaluations_are_counted() {
    let prior = mixture();
    let steps: [(AnyStep<2>, usize); 5] = [
        (AnyStep::new(Ddim::deterministic()), 10),
        // The last move, to clean data, is Euler's.
        (AnyStep::new(RungeKutta::heun()), 19),
        (AnyStep::new(RungeKutta::rk4()), 37),
        (AnyStep::new(UniPc::new(Order::Third)), 10),
        (
            AnyStep::new(
                PredictorCorrector::new(Ddim::ancestral(), Langevin::fixed(1e-3)).with_repeats(2),
            ),
            28,
        ),
    ];
    for (step, expected) in steps {
        let sampler = Sampler::new(step, uniform(9).then_clean());
        let counting = Counting::new(&prior);
        let mut noise = HostNoise::seeded(0);
        let x = sampler.start([1, 2], &device(), &mut noise);
        let run = sampler.trajectory(&counting, x, &mut noise).expect("a run");
        assert_eq!(run.len(), 10);
        let counts: Vec<usize> = run.map(|state| state.evaluations).collect();
        assert_eq!(counts[9], expected);
        assert_eq!(counting.evaluations(), expected);
        assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
    }
}

#[test]
fn a_run_can_be_left_at_any_state() {
    let prior = mixture();
    let sampler = Sampler::new(Ddim::deterministic(), uniform(50));
    let mut noise = HostNoise::seeded(0);
    let x = sampler.start([1, 2], &device(), &mut noise);
    let counting = Counting::new(&prior);
    let run = sampler.trajectory(&counting, x, &mut noise).expect("a run");
    let early = run.take_while(|state| state.level.sigma() > 0.9).count();
    assert!(early < 40 && counting.evaluations() == early + 1);
}

#[test]
fn what_cannot_work_is_refused_before_any_evaluation() {
    struct NoiseOnly;
    impl Denoiser<2> for NoiseOnly {
        fn denoise(&self, _: Tensor<2>, _: Level) -> Tensor<2> {
            unreachable!("refused before any evaluation")
        }
        fn supports(&self, level: Level) -> bool {
            level.alpha() > 0.0
        }
    }
    let never = from_fn(|_: Tensor<2>, _| -> Tensor<2> { unreachable!("refused") });
    let x = || Tensor::<2>::ones([1, 2], &device());
    let mut noise = HostNoise::seeded(0);
    let to_pure = Path::uniform(Rectified, Span::FULL, 5).expect("a path");
    let run = Sampler::new(Ddim::deterministic(), to_pure.clone());
    let run = run.sample(&NoiseOnly, x(), &mut noise);
    assert!(matches!(run, Err(SampleError::Denoiser { level }) if level == Level::PURE_NOISE));
    let singular = Sampler::new(EulerMaruyama::new(Rectified), to_pure.clone());
    let run = singular.sample(&never, x(), &mut noise);
    assert!(matches!(run, Err(SampleError::Step { .. })));
    let run = Sampler::new(Ddim::with_eta(-0.1), to_pure).sample(&never, x(), &mut noise);
    assert!(matches!(run, Err(SampleError::Step { .. })));
    let churn = Churn::new(RungeKutta::heun(), -1.0, 10);
    let run = Sampler::new(churn, uniform(5)).sample(&never, x(), &mut noise);
    assert!(matches!(run, Err(SampleError::Step { .. })));
    // Data without noise has no noise to look at, and no noise can be drawn on the way up.
    let full = Path::uniform(VP(), Span::FULL, 5).expect("a path");
    let run = Sampler::new(Ddim::deterministic(), full).encode(&never, x());
    assert!(matches!(run, Err(SampleError::Step { .. })));
    for step in [
        AnyStep::new(Ancestral::default()),
        AnyStep::new(Ddim::ancestral()),
    ] {
        let run = Sampler::new(step, uniform(5)).encode(&never, x());
        assert!(matches!(run, Err(SampleError::Step { .. })));
    }
    // Nor along levels that do not rise.
    let stay = Path::staying(VP().level(0.5), 3).expect("a path");
    let run = Sampler::new(Langevin::fixed(0.1), stay).encode(&never, x());
    assert!(matches!(run, Err(SampleError::Encode { .. })));
    let run = Sampler::new(Ddim::ancestral(), uniform(5).reversed()).encode(&never, x());
    assert!(matches!(run, Err(SampleError::Encode { .. })));
    // A churn that is no number is no churn.
    for churn in [f64::NAN, 0.0] {
        let churn = Churn::new(RungeKutta::heun(), churn, 0);
        let run = Sampler::new(churn, uniform(5)).sample(&never, x(), &mut noise);
        assert!(matches!(run, Err(SampleError::Step { .. })));
    }
}

#[test]
fn encoding_reaches_pure_noise() {
    let prior = Gaussian::diagonal(&[2.0, -1.0], &[0.3, 0.7]).expect("a Gaussian");
    let path = Path::uniform(Rectified, Span::new(1.0, 0.01), 400).expect("a path");
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
fn what_is_not_finite_is_found_where_it_appears() {
    let path = uniform(10);
    let third = path.levels()[3];
    let breaks = |bad: f64| {
        from_fn(move |x: Tensor<2>, level: Level| {
            let level_is_low = !level.is_noisier_than(third);
            if level_is_low { x * bad } else { x * 0.5 }
        })
    };
    let sampler = Sampler::new(Ddim::deterministic(), path.clone());
    for bad in [f64::NAN, f64::INFINITY] {
        let x = Tensor::<2>::ones([1, 2], &device());
        let run = sampler.try_sample(&breaks(bad), x, &mut HostNoise::seeded(0));
        let expected = SampleError::NotFinite {
            level: path.levels()[4],
            evaluations: 4,
        };
        assert_eq!(run.err(), Some(expected));
    }
}

#[test]
fn a_latent_decodes_to_what_was_encoded() {
    let prior = Gaussian::diagonal(&[2.0, -1.0], &[0.3, 0.7]).expect("a Gaussian");
    let path = Path::log_snr(VP(), Span::default(), 100).expect("a path");
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
            (lm / (0.5 * (la + lb)) - 1.0).abs() < 0.01,
            "{lm} between {la} and {lb}"
        );
    }
    let ends = [(0.0, a.clone()), (1.0, b.clone())];
    for (weight, end) in ends {
        let gap = (slerp(a.clone(), b.clone(), weight) - end).abs().max();
        assert!(gap.into_scalar::<f64>() < 1e-6);
    }
    let same = slerp(a.clone(), a.clone(), 0.3) - a.clone();
    assert!(same.abs().max().into_scalar::<f64>() < 1e-6);
    let opposite = slerp(a.clone(), -a.clone(), 0.25) - a * 0.5;
    assert!(opposite.abs().max().into_scalar::<f64>() < 1e-6);
}

#[test]
fn a_forward_move_adds_the_noise_between_its_levels() {
    let (from, to) = (
        Level::new(0.8, 0.6).expect("a level"),
        Level::new(0.6, 0.8).expect("a level"),
    );
    let path = Path::through(vec![from, to]).expect("a path");
    let sampler = Sampler::new(RungeKutta::heun(), path);
    let x = Tensor::<2>::ones([1, 1], &device());
    let z = Tensor::<2>::from_floats([[0.5]], &device());
    let never = from_fn(|_: Tensor<2>, _| -> Tensor<2> { unreachable!("no reverse move") });
    let mut replay = Replay::new(vec![z]);
    let mut run = sampler.trajectory(&never, x, &mut replay).expect("a run");
    let state = run.next().expect("one move");
    let up = forward::conditional(from, to);
    let expected = up.state + 0.5 * up.noise;
    assert!((values(state.x)[0] - expected).abs() < 1e-6);
    assert!(state.clean.is_none() && state.level == to && state.evaluations == 0);
}

#[test]
fn learned_variance_lies_between_the_two_bounds() {
    /// Says a variance half-way, on a log scale, for the first value and the larger one for the other.
    struct Learned(GaussianMixture);
    impl Denoiser<2> for Learned {
        fn denoise(&self, x: Tensor<2>, level: Level) -> Tensor<2> {
            self.0.denoise(x, level)
        }
        fn estimate(&self, x: Tensor<2>, level: Level) -> Posterior<2> {
            let place = Tensor::from_data([[0.5, 1.0]], (&x.device(), x.dtype()));
            Posterior {
                clean: self.denoise(x, level),
                interpolation: Some(place),
            }
        }
    }
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    let mv = Move {
        from: chain.node(500),
        to: chain.node(490),
    };
    let x = Tensor::<2>::from_data([[0.7, -0.4]], (&device(), DType::F64));
    let step = |variance: PosteriorVariance, z: f64| {
        let noise = Tensor::full([1, 2], z, (&device(), DType::F64));
        let step = Ancestral::new(variance);
        let state = step.step(
            &mixture(),
            x.clone(),
            mv,
            &mut Replay::new(vec![noise]),
            &mut Default::default(),
        );
        values(state.x)
    };
    let noise = Tensor::full([1, 2], 1.3, (&device(), DType::F64));
    let learned = Learned(mixture());
    let learned = LearnedAncestral.step(
        &learned,
        x.clone(),
        mv,
        &mut Replay::new(vec![noise]),
        &mut (),
    );
    let learned = values(learned.x);
    let half = step(PosteriorVariance::Interpolated(0.5), 1.3);
    let large = step(PosteriorVariance::Large, 1.3);
    assert!((learned[0] - half[0]).abs() < 1e-12 && (learned[1] - large[1]).abs() < 1e-12);
    assert!((half[0] - large[0]).abs() > 1e-5, "the two differ");
}

#[test]
fn the_published_predictor_and_corrector_are_special_cases() {
    // Algorithms 2 and 4 (VE), 3 and 5 (VP) of Song et al., written out for one sample.
    let prior = Gaussian::diagonal(&[2.0, -1.0], &[0.3, 0.7]).expect("a Gaussian");
    let score = |x: &Tensor<2>, level: Level| DenoiserExt::score(&prior, x.clone(), level);
    let norm = |x: &Tensor<2>| x.clone().square().sum().sqrt().into_scalar::<f64>();
    let draw = |seed: u64| -> Tensor<2> {
        HostNoise::seeded(seed).normal_like(&Tensor::zeros([1, 2], (&device(), DType::F64)))
    };
    let (x, z, zc) = (draw(1), draw(2), draw(3));
    let r = 0.16;
    let run = |corrector: Langevin, mv: Move| {
        let step = PredictorCorrector::new(tweedie_math::ReverseDiffusion, corrector);
        let mut noise = Replay::new(vec![z.clone(), zc.clone()]);
        let state = step.step(&prior, x.clone(), mv, &mut noise, &mut Default::default());
        values(state.x)
    };
    let same = |found: Vec<f64>, expected: Tensor<2>| {
        for (a, b) in found.iter().zip(values(expected)) {
            assert!((a - b).abs() < 1e-12, "{a} instead of {b}");
        }
    };
    // VE: σ_{i+1} to σ_i.
    let (from, to) = (1.3_f64, 0.9_f64);
    let [high, low] = [from, to].map(|s| Level::variance_exploding(s).expect("a level"));
    let gap = from * from - to * to;
    let predicted = x.clone() + score(&x, high) * gap + z.clone() * gap.sqrt();
    let g = score(&predicted, low);
    let epsilon = 2.0 * (r * norm(&zc) / norm(&g)).powi(2);
    let expected = predicted + g * epsilon + zc.clone() * (2.0 * epsilon).sqrt();
    let mv = Move {
        from: high,
        to: low,
    };
    same(run(Langevin::signal_to_noise(r), mv), expected);
    // VP: node i + 1 to node i.
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    let (beta, beta_low) = (chain.betas()[501], chain.betas()[500]);
    let [high, low] = [chain.node(501), chain.node(500)];
    let predicted =
        x.clone() * (2.0 - (1.0 - beta).sqrt()) + score(&x, high) * beta + z.clone() * beta.sqrt();
    let g = score(&predicted, low);
    let epsilon = 2.0 * (1.0 - beta_low) * (r * norm(&zc) / norm(&g)).powi(2);
    let expected = predicted + g * epsilon + zc.clone() * (2.0 * epsilon).sqrt();
    let mv = Move {
        from: high,
        to: low,
    };
    same(
        run(Langevin::signal_to_noise(r).on_chain(chain.clone()), mv),
        expected,
    );
}

#[test]
fn samplers_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Sampler<Ancestral>>();
    shared::<Sampler<RungeKutta>>();
    shared::<Sampler<Adaptive>>();
    shared::<Sampler<UniPc>>();
    shared::<Sampler<EulerMaruyama<VariancePreserving>>>();
    shared::<Sampler<PredictorCorrector<Ddim, Langevin>>>();
    shared::<Sampler<AnyStep<4>>>();
    shared::<GaussianMixture>();
    let transition = Ddim::deterministic().transition(Level::PURE_NOISE, Level::CLEAN);
    assert!(transition.is_valid());
}
