//! Adaptive solvers.

use crate::{device, mixture, values};
use approx::{abs_diff_eq, assert_abs_diff_eq};
use burn::tensor::{DType, Tensor};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{BrownianTree, HostNoise, Noise, from_fn};
use tweedie_math::{
    Level, LevelPath, RectifiedFlow, Schedule, Span, VarianceExploding, VariancePreserving,
};
use tweedie_samplers::{
    Adaptive, AdaptiveError, AdaptiveSde, Controller, SampleError, Sampler, StepError, Tolerance,
};

const VP: fn() -> VariancePreserving = VariancePreserving::default;

fn pairs() -> [(&'static str, Adaptive); 3] {
    [
        ("Bogacki–Shampine", Adaptive::bogacki_shampine()),
        ("Dormand–Prince", Adaptive::dormand_prince()),
        ("Tsitouras", Adaptive::tsitouras()),
    ]
}

fn prior() -> Gaussian {
    Gaussian::diagonal(&[2.0, -1.0], &[0.3, 0.7]).expect("a Gaussian")
}

fn start() -> Tensor<2> {
    Tensor::from_data(
        [[0.7, -0.4], [-1.1, 0.9], [0.2, 1.6]],
        (&device(), DType::F64),
    )
}

/// The largest error at a path's levels, and the number of evaluations.
fn error(solver: Adaptive, path: &LevelPath) -> (f64, usize) {
    let solution = solver.solve(&prior(), start(), path).expect("a flow");
    let gap = |(x, &level): (&Tensor<2>, &Level)| {
        let exact = prior().flow(start(), path.start(), level);
        (x.clone() - exact).abs().max().into_scalar::<f64>()
    };
    let gaps = solution.states.iter().zip(&path.levels()[1..]).map(gap);
    (gaps.fold(0.0, f64::max), solution.evaluations)
}

#[test]
fn the_error_follows_the_tolerance_at_every_level() {
    let schedules: [(&str, &dyn Schedule); 3] = [
        ("VP", &VP()),
        ("rectified", &RectifiedFlow),
        (
            "VE",
            &VarianceExploding::new(0.01, 5.0).expect("a schedule"),
        ),
    ];
    for (name, schedule) in schedules {
        // 37 outputs, most of them inside a step. The second schedule starts at pure noise.
        let path = LevelPath::uniform(schedule, Span::new(1.0, 0.01), 37).expect("a path");
        for (pair, solver) in pairs() {
            let mut cost = 0;
            for tolerance in [1e-4, 1e-6, 1e-8] {
                let solver =
                    solver.with_tolerance(Tolerance::both(tolerance).expect("a parameter"));
                let (error, evaluations) = error(solver, &path);
                assert!(
                    error < 30.0 * tolerance,
                    "{name}, {pair}, {tolerance}: {error}"
                );
                assert!(
                    evaluations > cost,
                    "{name}, {pair}: a smaller tolerance costs more"
                );
                cost = evaluations;
            }
        }
    }
}

#[test]
fn it_goes_up_as_well_as_down() {
    let down = LevelPath::uniform(VP(), Span::default(), 5).expect("a path");
    let solver = Adaptive::tsitouras().with_tolerance(Tolerance::both(1e-9).expect("a parameter"));
    let x = solver.solve(&prior(), start(), &down).expect("a flow");
    let x = x.states.last().cloned().expect("a state");
    let back = solver.solve(&prior(), x, &down.reversed()).expect("a flow");
    let back = back.states.last().cloned().expect("a state");
    assert_abs_diff_eq!(
        (back - start()).abs().max().into_scalar::<f64>(),
        0.0,
        epsilon = 1e-6
    );
}

#[test]
fn a_kink_is_stepped_over_in_small_steps() {
    // The estimate jumps half-way: the solver rejects steps across the jump until they are short.
    let jump = from_fn(|x: Tensor<2>, level: Level| {
        let side = if level.sigma() > 0.6 { 1.0 } else { -1.0 };
        x.zeros_like() + side
    });
    let path = LevelPath::uniform(VP(), Span::default(), 1).expect("a path");
    for controller in [
        Controller::default(),
        Controller {
            proportional: 0.3,
            integral: 0.3,
            derivative: 0.1,
        },
    ] {
        let solver = Adaptive::dormand_prince().with_controller(controller);
        let solution = solver
            .expect("a parameter")
            .solve(&jump, start(), &path)
            .expect("a flow");
        assert!(solution.rejected > 5, "{} rejected", solution.rejected);
    }
}

#[test]
fn what_cannot_be_solved_says_so() {
    let solver = Adaptive::tsitouras().with_max_steps(200);
    let path = LevelPath::uniform(VP(), Span::default(), 3).expect("a path");
    let solve = |path: &LevelPath| solver.solve(&prior(), start(), path).err();
    assert_eq!(
        solve(&path.clone().then_clean()),
        Some(AdaptiveError::Clean)
    );
    assert_eq!(
        solve(&path.clone().with_time_travel(1, 2)),
        Some(AdaptiveError::Turns)
    );
    let broken = from_fn(
        |x: Tensor<2>, level: Level| {
            if level.sigma() < 0.6 { x * f64::NAN } else { x }
        },
    );
    let error = solver.solve(&broken, start(), &path).err();
    let Some(AdaptiveError::Stuck { level, .. }) = error else {
        panic!("{error:?}")
    };
    assert!(
        abs_diff_eq!(level.sigma(), 0.6, epsilon = 0.01),
        "stuck at σ = {}",
        level.sigma()
    );
    // As a step, the solver reports the same error.
    let sampler = Sampler::new(solver, path.clone());
    let run = sampler.sample(&broken, start(), &mut HostNoise::seeded(0));
    let Err(SampleError::Step {
        reason: StepError::Stuck { level: reached, .. },
        ..
    }) = run
    else {
        panic!("{run:?}")
    };
    assert!(
        abs_diff_eq!(reached.sigma(), 0.6, epsilon = 0.01),
        "{reached:?}"
    );
}

#[test]
fn a_smaller_tolerance_follows_the_same_brownian_path() {
    let prior = mixture();
    let whole = LevelPath::through(vec![VP().level(1.0), VP().level(1e-2)]).expect("a path");
    let x = HostNoise::seeded(3).normal([200, 2], &device());
    let run = |tolerance: f64, noise: &mut dyn Noise<2>| {
        let step =
            AdaptiveSde::new(VP()).with_tolerance(Tolerance::both(tolerance).expect("a parameter"));
        let x = Sampler::new(step, whole.clone()).sample(&prior, x.clone(), noise);
        values(x.expect("a run"))
    };
    let gap = |a: &[f64], b: &[f64]| {
        let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
        (squares.sum::<f64>() / a.len() as f64).sqrt()
    };
    let tree = || BrownianTree::seeded(7);
    let reference = run(5e-3, &mut tree());
    let (coarse, fine) = (run(0.2, &mut tree()), run(0.015, &mut tree()));
    let (far, near) = (gap(&coarse, &reference), gap(&fine, &reference));
    let other = gap(&run(0.015, &mut HostNoise::seeded(1)), &reference);
    println!("{far} {near} {other}");
    assert!(
        near < 0.3 * far && near < 0.1 * other,
        "{far}, {near}; other noise {other}"
    );
}

#[test]
fn a_start_at_zero_and_a_move_of_no_length_are_no_trap() {
    let path = LevelPath::uniform(VP(), Span::default(), 2).expect("a path");
    let zero = start().zeros_like();
    for (name, solver) in pairs() {
        let solution = solver.solve(&prior(), zero.clone(), &path).expect("a flow");
        let exact = prior().flow(zero.clone(), path.start(), path.end());
        let end = solution.states[1].clone();
        let gap = (end - exact).abs().max().into_scalar::<f64>();
        assert!(abs_diff_eq!(gap, 0.0, epsilon = 1e-3), "{name}: {gap}");
        // A repeated level, and the same log-SNR at another scale.
        let [a, b] = [path.start(), path.end()];
        let scaled = Level::variance_exploding(a.noise_to_signal()).expect("a level");
        let path = LevelPath::through(vec![a, a, scaled, b]).expect("a path");
        let sampler = Sampler::new(solver, path.clone());
        let x = sampler.sample(&prior(), start(), &mut HostNoise::seeded(0));
        let exact = prior().flow(start(), a, b);
        let gap = (x.expect("a run") - exact).abs().max().into_scalar::<f64>();
        assert!(abs_diff_eq!(gap, 0.0, epsilon = 1e-3), "{name}: {gap}");
    }
}

#[test]
fn a_neighbour_changes_a_sample_within_the_tolerance_only() {
    let path = LevelPath::uniform(VP(), Span::default(), 1).expect("a path");
    let solver = Adaptive::tsitouras().with_tolerance(Tolerance::both(1e-6).expect("a parameter"));
    let end = |x: Tensor<2>| {
        let solution = solver.solve(&mixture(), x, &path).expect("a flow");
        values(solution.states[0].clone())
    };
    let both = end(start());
    for i in 0..3 {
        let alone = end(start().narrow(0, i, 1));
        for (a, b) in alone.iter().zip(&both[2 * i..]) {
            assert!(
                abs_diff_eq!(a, b, epsilon = 1e-4),
                "{a} alone, {b} in a batch"
            );
        }
    }
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    for tolerance in [0.0, -1.0, f64::NAN] {
        assert!(Tolerance::both(tolerance).is_err());
    }
    let integral = f64::NAN;
    let controller = Controller {
        integral,
        ..Controller::default()
    };
    assert!(Adaptive::tsitouras().with_controller(controller).is_err());
}

#[test]
fn an_sde_walks_over_a_level_that_stands_twice() {
    let [a, b] = [0.9, 0.1].map(|t| VP().level(t));
    let run = |levels: Vec<Level>| {
        let path = LevelPath::through(levels).expect("a path");
        let sampler = Sampler::new(AdaptiveSde::new(VP()), path);
        let mut noise = BrownianTree::seeded(0);
        values(
            sampler
                .sample(&prior(), start(), &mut noise)
                .expect("a run"),
        )
    };
    assert_eq!(run(vec![a, a, b]), run(vec![a, b]));
}

#[test]
fn an_sde_that_breaks_is_given_up_soon() {
    let broken = from_fn(
        |x: Tensor<2>, level: Level| {
            if level.sigma() < 0.6 { x * f64::NAN } else { x }
        },
    );
    let whole = LevelPath::through(vec![VP().level(1.0), VP().level(1e-2)]).expect("a path");
    let counting = tweedie_core::Counting::new(&broken);
    let step = AdaptiveSde::new(VP()).with_max_steps(300);
    let run = Sampler::new(step, whole).sample(&counting, start(), &mut BrownianTree::seeded(0));
    assert!(matches!(
        run,
        Err(SampleError::Step {
            reason: StepError::Stuck { .. },
            ..
        })
    ));
    assert!(counting.evaluations() < 700, "{}", counting.evaluations());
}
