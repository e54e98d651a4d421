//! Multistep methods with equal estimates reduce to kernels.

use crate::close;
use proptest::prelude::*;
use tweedie_math::multistep::{
    AdamsBashforth, Combination, Deis, DpmSolverMultistep, ExponentialAdamsBashforth, Ipndm,
    Multistep, Order, UniPcRule, UniPcWeights, Variable,
};
use tweedie_math::{
    Ancestral, Ddim, Kernel, Level, LevelPath, MoveError, PathError, Schedule, Span, Transition,
    VariancePreserving,
};

/// Returns the move `x_s = state·x_t + clean·x₀ + noise·z` of a method whose estimates all agree.
///
/// All estimates come from the same clean signal and noise.
fn constant(method: &dyn Multistep, visited: &[Level], to: Level) -> Transition {
    let found = method.combination(visited, to).expect("a move");
    let from = visited[0];
    let sum: f64 = found.past.iter().sum();
    let (state, clean) = match method.variable() {
        Variable::Clean => (found.state, sum),
        // ε̂ = (x − α x₀)/σ
        Variable::Noise => (
            found.state + sum / from.sigma(),
            -sum * from.alpha() / from.sigma(),
        ),
    };
    Transition {
        state,
        clean,
        noise: found.noise,
    }
}

fn methods(order: Order) -> Vec<(&'static str, Box<dyn Multistep>)> {
    let exponential = |variable| Box::new(ExponentialAdamsBashforth::new(order, variable));
    vec![
        ("AB", Box::new(AdamsBashforth::new(order))),
        (
            "DEIS",
            Box::new(Deis::new(order, VariancePreserving::default())),
        ),
        ("EAB, clean", exponential(Variable::Clean)),
        ("EAB, noise", exponential(Variable::Noise)),
        (
            "DPM-Solver++",
            Box::new(DpmSolverMultistep::plus_plus(order)),
        ),
        ("DPM-Solver", Box::new(DpmSolverMultistep::on_noise(order))),
        ("iPNDM", Box::new(Ipndm::new(order))),
    ]
}

proptest! {
    #[test]
    fn equal_estimates_make_a_kernel(
        start in 0.3..0.99, gaps in prop::collection::vec(0.01..0.07, 4), which in 0_usize..4,
    ) {
        let order = Order::ALL[which];
        let vp = VariancePreserving::default();
        let times = gaps.iter().scan(start, |t, gap| { let here = *t; *t -= gap; Some(here) });
        let mut visited: Vec<Level> = times.map(|t| vp.level(t)).collect();
        visited.reverse();
        visited.truncate(order.get());
        let to = vp.level(start - gaps.iter().sum::<f64>());
        let compare = |name: &str, found: Transition, expected: Transition| {
            close(name, found.state, expected.state, 1e-9);
            close(name, found.clean, expected.clean, 1e-9);
            close(name, found.noise, expected.noise, 1e-9);
        };
        let flow = Ddim::deterministic().transition(visited[0], to).expect("a move");
        for (name, method) in methods(order) {
            compare(name, constant(&*method, &visited, to), flow);
        }
        for rule in [UniPcRule::Bh1, UniPcRule::Bh2] {
            for variable in [Variable::Clean, Variable::Noise] {
                let weights = UniPcWeights { order, variable, rule };
                struct Fixed<F>(Variable, F);
                impl<F: Fn(&[Level], Level) -> Result<Combination, MoveError>>
                    Multistep for Fixed<F> {
                    fn combination(
                        &self,
                        visited: &[Level],
                        to: Level,
                    ) -> Result<Combination, MoveError> {
                        (self.1)(visited, to)
                    }
                    fn variable(&self) -> Variable { self.0 }
                }
                let predictor = Fixed(variable, |v: &[Level], to| weights.predictor(v, to));
                compare("UniP", constant(&predictor, &visited, to), flow);
                let corrector = Fixed(variable, |v: &[Level], to| weights.corrector(v, to));
                compare("UniC", constant(&corrector, &visited, to), flow);
            }
        }
        // With equal estimates, a higher order changes nothing, with or without noise.
        for variable in [Variable::Clean, Variable::Noise] {
            let solver = |order| match variable {
                Variable::Clean => DpmSolverMultistep::plus_plus(order),
                Variable::Noise => DpmSolverMultistep::on_noise(order),
            }.with_eta(0.7).expect("η");
            let many = constant(&solver(order), &visited, to);
            compare("SDE, eta = 0.7", many, constant(&solver(Order::First), &visited[..1], to));
        }
        // With η = 1 the SDE's move is that of DDPM.
        let sde = DpmSolverMultistep::plus_plus(order).sde();
        let exact = Ancestral::default().transition(visited[0], to).expect("a move");
        compare("SDE", constant(&sde, &visited, to), exact);
    }
}

#[test]
fn both_ends_are_legal() -> Result<(), PathError> {
    let path = LevelPath::uniform(tweedie_math::RectifiedFlow, Span::FULL, 4)?;
    let levels = path.levels();
    for order in Order::ALL {
        for step in [
            DpmSolverMultistep::plus_plus(order),
            DpmSolverMultistep::plus_plus(order).sde(),
        ] {
            let mut visited = Vec::new();
            for mv in path.moves() {
                visited.insert(0, mv.from);
                visited.truncate(step.lookback());
                let found = step.combination(&visited, mv.to);
                assert!(found.is_ok(), "{order:?}: {found:?}");
            }
        }
        // The last move, to clean data, returns the estimate.
        let solver = DpmSolverMultistep::plus_plus(order);
        let last = solver
            .combination(&[levels[3], levels[2]], levels[4])
            .expect("a move");
        assert_eq!((last.state, last.past.as_slice()), (0.0, [1.0].as_slice()));
        // At α = 0 a noise estimate does not determine the clean signal.
        let first = AdamsBashforth::new(order).combination(&[levels[0]], levels[1]);
        assert!(matches!(first, Err(MoveError::Singular { .. })));
    }
    Ok(())
}
