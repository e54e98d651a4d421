//! Properties of every run: invariance, reproducibility and evaluation counts.

use crate::{device, mixture, values};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Device, Tensor};
use tweedie_catalogue::{converging_steps, steps};
use tweedie_core::oracle::GaussianMixture;
use tweedie_core::{BrownianTree, Counting, HostNoise, Noise, Replay, from_fn};
use tweedie_math::multistep::{DpmSolverMultistep, Order};
use tweedie_math::{
    Ancestral, Cosine, Ddim, Edm, EulerMaruyama, Kernel, Level, LevelPath, Move, MoveError,
    RectifiedFlow, Schedule, Span, Transition, VarianceExploding, VariancePreserving, forward,
};
use tweedie_samplers::{
    Adaptive, AnnealedLangevin, AnyStep, Churn, FreshNoise, Langevin, PredictorCorrector,
    RungeKutta, Sampler, State, Step, StepContext, StepError, UniPc,
};

const VP: fn() -> VariancePreserving = VariancePreserving::default;

fn uniform(steps: usize) -> LevelPath {
    LevelPath::uniform(VP(), Span::default(), steps).expect("a path")
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
            let path = LevelPath::through(log_snrs.map(level).collect()).expect("a path");
            // Start from the same y = x/σ and end at the same x/α.
            let start = z.clone() * path.start().sigma();
            let sampler = Sampler::new(step.clone(), path.clone());
            let x = sampler.sample(&prior, start, &mut Replay::new(vec![]));
            values(x.expect("a run") / path.end().alpha())
        };
        let reference = end(&VP());
        for (name, schedule) in [
            ("VE", &VarianceExploding::default() as &dyn Schedule),
            ("rectified", &RectifiedFlow),
            ("cosine", &Cosine::default()),
            ("EDM", &Edm::default()),
        ] {
            for (a, b) in end(schedule).iter().zip(&reference) {
                assert!(
                    abs_diff_eq!(a, b, epsilon = 5e-4),
                    "{step_name}, {name}: {a} instead of {b}"
                );
            }
        }
    }
}

#[test]
fn a_batch_is_its_samples_and_threads_do_not_matter() {
    let prior = mixture();
    for entry in converging_steps() {
        let sampler = Sampler::new(entry.step, uniform(12).then_clean());
        let run = |first: u64, count: usize| {
            let mut noise = BrownianTree::seeded(9).starting_at(first);
            let x = sampler.start([count, 2], &device(), &mut noise);
            values(
                sampler
                    .sample(&prior, x.expect("a run"), &mut noise)
                    .expect("a run"),
            )
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
    let path = LevelPath::log_snr(VP(), Span::new(1.0, 0.01), 8).expect("a path");
    let (top, end) = (path.start(), path.end());
    for entry in converging_steps() {
        let travelling = Sampler::new(entry.step.clone(), path.clone().with_time_travel(8, 2));
        let once = Sampler::new(entry.step, path.clone());
        let mut noise = HostNoise::seeded(2);
        let x = once.start([3, 2], &device(), &mut noise);
        let mut other = noise.clone();
        let travelled = travelling
            .sample(&prior, x.clone().expect("a run"), &mut noise)
            .expect("a run");
        // The same by hand: a run, the noise from the end up to the start, another run.
        let down = once
            .sample(&prior, x.expect("a run"), &mut other)
            .expect("a run");
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
    for entry in converging_steps() {
        let sampler = Sampler::new(
            entry.step,
            LevelPath::through(twice.clone()).expect("a path"),
        );
        let mut noise = HostNoise::seeded(2);
        let x = sampler.start([3, 2], &device(), &mut noise);
        let end = sampler.sample(&prior, x.expect("a run"), &mut noise);
        assert!(end.is_ok(), "{}: {end:?}", entry.name);
    }
}

#[test]
fn annealed_langevin_dynamics_follows_the_scale_of_its_levels() {
    // With a step size near 0, the state only changes its scale, as the distribution does.
    let [from, to] = [0.5, 0.3].map(|t| VP().level(t));
    let path = LevelPath::through(vec![from, to]).expect("a path");
    let x = Tensor::<2>::from_data([[0.7, -0.4]], (&device(), DType::F64));
    let step = AnnealedLangevin::new(2, 1e-20, to).expect("a parameter");
    let sampler = Sampler::new(step, path);
    let end = sampler.sample(&mixture(), x.clone(), &mut HostNoise::seeded(0));
    let gap = end.expect("a run") - x * (to.alpha() / from.alpha());
    assert_abs_diff_eq!(gap.abs().max().into_scalar::<f64>(), 0.0, epsilon = 1e-8);
}

#[test]
fn what_is_done_between_moves_stays() {
    // With a constant estimate every solver of the flow makes the same moves, whatever changes the
    // state between them.
    struct Shift;
    impl Kernel for Shift {
        fn transition(&self, _: Level, _: Level) -> Result<Transition, MoveError> {
            Ok(Transition {
                state: 1.5,
                ..Transition::IDENTITY
            })
        }
    }
    let constant = from_fn(|x: Tensor<2>, _| x.zeros_like() + 0.3);
    let path = LevelPath::log_snr(VP(), Span::new(0.9, 0.1), 6).expect("a path");
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
            assert!(
                abs_diff_eq!(a, b, epsilon = 1e-9),
                "{name}: {a} instead of {b}"
            );
        }
    }
}

#[test]
fn evaluations_are_counted() {
    let prior = mixture();
    let small = Langevin::fixed(1e-3).expect("ε");
    let steps: [(AnyStep<2>, usize); 5] = [
        (AnyStep::new(Ddim::deterministic()), 10),
        // The last move, to clean data, falls back to Euler's.
        (AnyStep::new(RungeKutta::heun()), 19),
        (AnyStep::new(RungeKutta::rk4()), 37),
        (AnyStep::new(UniPc::new(Order::Third)), 10),
        (
            AnyStep::new(PredictorCorrector::new(Ddim::ancestral(), small).with_repeats(2)),
            28,
        ),
    ];
    for (step, expected) in steps {
        let sampler = Sampler::new(step, uniform(9).then_clean());
        let counting = Counting::new(&prior);
        let mut noise = HostNoise::seeded(0);
        let x = sampler.start([1, 2], &device(), &mut noise);
        let run = sampler
            .trajectory(&counting, x.expect("a run"), &mut noise)
            .expect("a run");
        assert_eq!(run.len(), 10);
        let counts: Vec<usize> = run.map(|state| state.expect("a run").evaluations).collect();
        assert_eq!(counts[9], expected);
        assert_eq!(counting.evaluations(), expected);
        assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
    }
}

#[test]
fn every_step_evaluates_as_often_as_it_says() {
    let prior = mixture();
    for entry in steps::<2>() {
        let (Some(each), true) = (entry.evaluations, entry.descends) else {
            continue;
        };
        let counting = Counting::new(&prior);
        let sampler = Sampler::new(entry.step, uniform(9));
        let mut noise = BrownianTree::seeded(0);
        let x = sampler.start([1, 2], &device(), &mut noise);
        let run = sampler.sample(&counting, x.expect("a start"), &mut noise);
        assert!(run.is_ok(), "{}: {run:?}", entry.name);
        let expected = 9 * each + entry.warm_up;
        assert_eq!(counting.evaluations(), expected, "{}", entry.name);
    }
}

#[test]
fn a_run_can_be_left_at_any_state() {
    let prior = mixture();
    let sampler = Sampler::new(Ddim::deterministic(), uniform(50));
    let mut noise = HostNoise::seeded(0);
    let x = sampler.start([1, 2], &device(), &mut noise);
    let counting = Counting::new(&prior);
    let run = sampler
        .trajectory(&counting, x.expect("a run"), &mut noise)
        .expect("a run");
    let noisy = |state: &Result<State<2>, _>| state.as_ref().is_ok_and(|it| it.level.sigma() > 0.9);
    let early = run.take_while(noisy).count();
    assert!(early < 40 && counting.evaluations() == early + 1);
}

#[test]
fn a_forward_move_adds_the_noise_between_its_levels() {
    let (from, to) = (
        Level::new(0.8, 0.6).expect("a level"),
        Level::new(0.6, 0.8).expect("a level"),
    );
    let path = LevelPath::through(vec![from, to]).expect("a path");
    let sampler = Sampler::new(RungeKutta::heun(), path);
    let x = Tensor::<2>::ones([1, 1], &device());
    let z = Tensor::<2>::from_floats([[0.5]], &device());
    let never = from_fn(|_: Tensor<2>, _| -> Tensor<2> { unreachable!("no reverse move") });
    let mut replay = Replay::new(vec![z]);
    let mut run = sampler.trajectory(&never, x, &mut replay).expect("a run");
    let state = run.next().expect("one move").expect("a state");
    let up = forward::conditional(from, to);
    let expected = up.state + 0.5 * up.noise;
    assert_abs_diff_eq!(values(state.x.clone())[0], expected, epsilon = 1e-6);
    assert!(state.clean.is_none() && state.level == to && state.evaluations == 0);
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
    assert!(transition.is_ok());
}

/// A step that starts at ones and cannot resume after noise was added.
#[derive(Clone, Copy)]
struct Particular;

impl Step<2> for Particular {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<2>,
        mv: Move,
        _: &mut StepContext<'_, 2>,
        (): &mut (),
    ) -> Result<State<2>, StepError> {
        Ok(State::new(mv.to, x, None))
    }

    fn check_forward(&self, _: Move) -> Result<(), StepError> {
        Err(StepError::Weights { measurement: 0 })
    }

    fn start(
        &self,
        shape: [usize; 2],
        _: Level,
        device: &Device,
        _: &mut dyn Noise<2>,
    ) -> Result<Tensor<2>, StepError> {
        Ok(Tensor::ones(shape, device))
    }
}

#[test]
fn a_wrapped_step_starts_and_refuses_as_by_itself() {
    let langevin = Langevin::annealed(0.05, 1.0).expect("a step");
    let churn = Churn::new(Particular, 1.0, 3).expect("a churn");
    let wrapped: [(&str, AnyStep<2>); 3] = [
        ("churn", AnyStep::new(churn)),
        ("fresh noise", AnyStep::new(FreshNoise::new(Particular))),
        (
            "predictor",
            AnyStep::new(PredictorCorrector::new(Particular, langevin)),
        ),
    ];
    let travel = uniform(6).with_time_travel(2, 2);
    for (name, step) in wrapped {
        let sampler = Sampler::new(step, travel.clone());
        let mut noise = HostNoise::seeded(0);
        let x = sampler
            .start([2, 2], &device(), &mut noise)
            .expect("a start");
        assert_eq!(values(x.clone()), vec![1.0; 4], "{name}");
        let error = sampler.sample(&mixture(), x, &mut noise).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("cannot move"), "{name}: {error}");
    }
}
