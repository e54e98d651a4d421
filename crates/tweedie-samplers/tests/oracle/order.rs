//! The measured order of every step equals its declared order.
//!
//! Deterministic steps walk the probability flow of a Gaussian, which is known, or of a mixture,
//! which is integrated to twelve digits. Multistep methods get their first estimates from exact
//! states, because their own first moves are of lower order.
//!
//! For stochastic steps the test measures the error of mean and standard deviation on a Gaussian
//! prior, which [`affine_law`] computes without sampling.

use crate::{device, mixture};
use approx::{abs_diff_eq, abs_diff_ne};
use burn::tensor::{DType, Tensor};
use tweedie_catalogue::{Criterion, NamedStep, converging_steps};
use tweedie_core::oracle::Gaussian;
use tweedie_core::{Denoiser, Replay};
use tweedie_math::multistep::{Combination, DpmSolverMultistep, Multistep, Order};
use tweedie_math::{Level, LevelPath, MoveError, Span, VariancePreserving};
use tweedie_samplers::{
    Adaptive, AnyStep, Churn, DpmSde, OverlapNoise, RungeKutta, Sampler, Step, StepContext,
    Tolerance, affine_law,
};

const STEPS: [usize; 5] = [16, 32, 64, 128, 256];
const MEAN: [f64; 2] = [2.0, -1.0];
const STD: [f64; 2] = [0.3, 0.7];

/// A step, and what its order is measured on.
struct Case {
    name: &'static str,
    step: AnyStep<2>,
    order: usize,
    criterion: Criterion,
    refined: usize,
}

fn cases() -> Vec<Case> {
    let all = converging_steps().into_iter();
    let case = |entry: NamedStep<2>| {
        Some(Case {
            name: entry.name,
            step: entry.step,
            order: entry.order,
            criterion: entry.criterion?,
            refined: entry.refined,
        })
    };
    all.filter_map(case).collect()
}

fn prior() -> Gaussian {
    Gaussian::diagonal(&MEAN, &STD).expect("a Gaussian")
}

fn path(criterion: Criterion, steps: usize) -> LevelPath {
    let vp = VariancePreserving::default();
    match criterion {
        Criterion::FlowInTime | Criterion::LawInTime => {
            LevelPath::uniform(vp, Span::new(0.6, 0.2), steps)
        }
        Criterion::FlowInRatio => {
            let sigma = |i: usize| 2.4 - 0.9 * i as f64 / steps as f64;
            let level = |i| Level::variance_exploding(sigma(i)).expect("a level");
            LevelPath::through((0..=steps).map(level).collect())
        }
        Criterion::FlowFromNoise => LevelPath::log_snr(vp, Span::new(1.0, 0.1), steps),
        _ => LevelPath::log_snr(vp, Span::new(0.5, 0.15), steps),
    }
    .expect("a path")
}

/// The slope of `ln error` over `ln steps`.
pub(crate) fn fitted(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |f: &dyn Fn(f64, f64) -> f64| points.iter().map(|&(x, y)| f(x, y)).sum::<f64>() / n;
    let (mx, my) = (mean(&|x, _| x), mean(&|_, y| y));
    -mean(&|x, y| (x - mx) * (y - my)) / mean(&|x, _| (x - mx).powi(2))
}

/// The exact states at the levels of a path.
fn exact(criterion: Criterion, path: &LevelPath) -> Vec<Tensor<2>> {
    let x = Tensor::<2>::from_data([[0.7, -0.4]], (&device(), DType::F64));
    let rest = if criterion == Criterion::FlowOfMixture {
        let solver =
            Adaptive::dormand_prince().with_tolerance(Tolerance::both(1e-12).expect("a parameter"));
        let solution = solver.solve(&mixture(), x.clone(), path);
        solution.expect("a flow").states
    } else {
        let flow = |&level| prior().flow(x.clone(), path.start(), level);
        path.levels()[1..].iter().map(flow).collect()
    };
    [x].into_iter().chain(rest).collect()
}

/// The error of the last state, with the first states exact.
fn flow_error(entry: &Case, steps: usize) -> f64 {
    let known = match entry.criterion {
        Criterion::FlowFromNoise => 0,
        _ => entry.order - 1,
    };
    let path = path(entry.criterion, steps);
    let exact = exact(entry.criterion, &path);
    let prior: Box<dyn Denoiser<2>> = match entry.criterion {
        Criterion::FlowOfMixture => Box::new(mixture()),
        _ => Box::new(prior()),
    };
    let (mut x, mut memory) = (exact[0].clone(), None);
    for (k, mv) in path.moves().enumerate() {
        let mut nothing = Replay::new(Vec::new());
        let mut context = StepContext::new(&*prior, &mut nothing);
        let next = entry.step.step(x, mv, &mut context, &mut memory);
        x = if k < known {
            exact[k + 1].clone()
        } else {
            next.expect("a move").x
        };
    }
    let gap = x - exact[steps].clone();
    gap.square().sum().sqrt().into_scalar::<f64>()
}

/// The error of mean and standard deviation at the end of the path.
fn law_error(entry: &Case, steps: usize, coupling: OverlapNoise) -> f64 {
    let path = path(entry.criterion, steps);
    let end = path.end();
    let sampler = Sampler::new(entry.step.clone(), path);
    let law = affine_law(
        &sampler,
        &prior(),
        [1, prior().dim()],
        &prior(),
        coupling,
        &device(),
    )
    .expect("a law");
    let error = |k: usize| {
        let exact = (end.alpha() * STD[k]).hypot(end.sigma());
        let mean = law.mean()[k] - end.alpha() * MEAN[k];
        mean.powi(2) + (law.covariance()[k][k].sqrt() - exact).powi(2)
    };
    (error(0) + error(1)).sqrt()
}

fn error(entry: &Case, steps: usize) -> f64 {
    match entry.criterion {
        Criterion::Law | Criterion::LawInTime => {
            law_error(entry, steps, OverlapNoise::BrownianPath)
        }
        _ => flow_error(entry, steps),
    }
}

fn measured(entry: &Case) -> (f64, String) {
    let point = |steps: usize| (steps as f64, error(entry, steps * entry.refined));
    let points = STEPS.map(point);
    let found = fitted(&points.map(|(n, error)| (n.ln(), error.ln())));
    let errors = points.map(|(_, error)| format!("{error:.1e}")).join(" ");
    (
        found,
        format!("{}: order {found:.2}, errors {errors}", entry.name),
    )
}

#[test]
fn every_step_converges_at_its_declared_order() {
    let mut wrong = Vec::new();
    for entry in cases() {
        let declared = entry.order;
        let (found, line) = measured(&entry);
        println!("{declared} {line}");
        if abs_diff_ne!(found, declared as f64, epsilon = 0.15) {
            wrong.push(format!("{line}, declared {declared}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The third-order method as published, with half of the second divided difference.
struct Published;

impl Multistep for Published {
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let solver = DpmSolverMultistep::plus_plus(Order::Third);
        let whole = solver.combination(visited, to)?;
        let [Some(a), Some(b), Some(c)] = [0, 1, 2].map(|i| visited.get(i)) else {
            return Ok(whole);
        };
        let lambda = |level: &Level| 0.5 * level.log_snr();
        let (h0, h1) = (lambda(a) - lambda(b), lambda(b) - lambda(c));
        // `f_abc` are the weights of the divided difference f[a, b, c] on the three estimates.
        // `second` is the integral of its quadratic term, ∫ e^{τ−h} τ² dτ, which the published code
        // halves.
        let f_abc = [
            1.0 / (h0 * (h0 + h1)),
            -1.0 / (h0 * h1),
            1.0 / (h1 * (h0 + h1)),
        ];
        let h = lambda(&to) - lambda(a);
        let second = h * h - 2.0 * (h - 1.0 + (-h).exp());
        let past = whole.past.iter().zip(f_abc);
        let past = past
            .map(|(w, f)| w - 0.5 * to.alpha() * second * f)
            .collect();
        Ok(Combination { past, ..whole })
    }

    fn lookback(&self) -> usize {
        3
    }

    fn order(&self) -> usize {
        2
    }
}

#[test]
fn the_published_third_order_is_a_second_one() {
    let entry = |name, step| Case {
        name,
        step,
        order: 3,
        criterion: Criterion::Flow,
        refined: 8,
    };
    let (published, line) = measured(&entry("published 3M", AnyStep::new(Published)));
    assert!(abs_diff_eq!(published, 2.0, epsilon = 0.15), "{line}");
    let ours = AnyStep::new(DpmSolverMultistep::plus_plus(Order::Third));
    let (ours, line) = measured(&entry("3M", ours));
    assert!(abs_diff_eq!(ours, 3.0, epsilon = 0.15), "{line}");
}

#[test]
fn overlapping_moves_need_one_path() {
    let entry = Case {
        name: "DpmSde",
        step: AnyStep::new(DpmSde::new()),
        order: 2,
        criterion: Criterion::Law,
        refined: 1,
    };
    let point = |steps: usize| {
        let error = law_error(&entry, steps, OverlapNoise::Independent);
        ((steps as f64).ln(), error.ln())
    };
    let fresh = fitted(&STEPS.map(point));
    assert!(abs_diff_eq!(fresh, 1.0, epsilon = 0.15), "{fresh}");
}

#[test]
fn churn_keeps_the_order_of_its_step() {
    let point = |steps: usize| {
        let entry = Case {
            name: "Churn",
            step: AnyStep::new(Churn::new(RungeKutta::heun(), 4.0, steps).expect("a churn")),
            order: 2,
            criterion: Criterion::Law,
            refined: 1,
        };
        ((steps as f64).ln(), error(&entry, steps).ln())
    };
    let found = fitted(&STEPS.map(point));
    assert!(abs_diff_eq!(found, 2.0, epsilon = 0.15), "{found}");
}
