//! All steps by name. A new step has to be added here.

use tweedie_math::multistep::{
    AdamsBashforth, Deis, DpmSolverMultistep, ExponentialAdamsBashforth, Ipndm, Order, UniPcRule,
    Variable,
};
use tweedie_math::{
    Ancestral, Ddim, EulerMaruyama, EulerOde, ReverseDiffusion, VariancePreserving, tableau,
};
use tweedie_samplers::{
    AnyStep, Convergence, DpmSde, DpmSolver, FreshNoise, LearnedAncestral, Pndm, PndmStart,
    RungeKutta, Step, UniPc,
};

/// A step and how its order is measured.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) step: AnyStep<2>,
    pub(crate) order: usize,
    pub(crate) kind: Kind,
    /// The factor on the usual numbers of steps.
    pub(crate) refined: usize,
}

/// The error that is measured, and the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The state, on a path uniform in log-SNR.
    Deterministic,
    /// The same for a mixture.
    OnMixture,
    /// The state, on a path uniform in the schedule's time.
    InTime,
    /// The state, on a path uniform in σ/α.
    InRatio,
    /// The state, uniform in log-SNR and from pure noise, where a first move of lower order costs
    /// nothing.
    FromNoise,
    /// Mean and standard deviation, uniform in log-SNR.
    Stochastic,
    /// Mean and standard deviation, uniform in time.
    StochasticInTime,
}

const VP: fn() -> VariancePreserving = VariancePreserving::default;

/// Erases the type of a step and returns it with its declared order.
fn of<S>(step: S) -> (AnyStep<2>, usize)
where
    S: Step<2, Memory: 'static> + Convergence + Send + Sync + 'static,
{
    let order = step.order();
    (AnyStep::new(step), order)
}

/// All steps whose error falls with the length of the path's moves.
pub(crate) fn converging() -> Vec<Entry> {
    use Kind::{
        Deterministic, FromNoise, InRatio, InTime, OnMixture, Stochastic, StochasticInTime,
    };
    let mut entries = Vec::new();
    let mut add = |name, kind, (step, order)| {
        let refined = match name {
            // The third estimate reduces the error so much at first that order 2 appears only with
            // many steps.
            "DpmSolverMultistep 3M SDE" => 8,
            "Deis 4" => 2,
            _ => 1,
        };
        entries.push(Entry {
            name,
            step,
            order,
            kind,
            refined,
        });
    };
    add("Ddim", Deterministic, of(Ddim::deterministic()));
    add("EulerOde", InTime, of(EulerOde::new(VP())));
    for (name, tableau) in [
        ("RungeKutta, Euler", tableau::EULER),
        ("RungeKutta, midpoint", tableau::MIDPOINT),
        ("RungeKutta, Heun", tableau::HEUN),
        ("RungeKutta, RK4", tableau::RK4),
        ("RungeKutta, Bogacki–Shampine", tableau::BOGACKI_SHAMPINE),
    ] {
        // Along the chord the variance of a Gaussian is quadratic, and the midpoint rule is then of
        // order 3.
        let kind = if name == "RungeKutta, midpoint" {
            OnMixture
        } else {
            Deterministic
        };
        add(name, kind, of(RungeKutta::new(tableau).expect("a tableau")));
    }
    for (name, order) in [
        ("AdamsBashforth 1", Order::First),
        ("AdamsBashforth 2", Order::Second),
        ("AdamsBashforth 3", Order::Third),
        ("AdamsBashforth 4", Order::Fourth),
    ] {
        add(name, InRatio, of(AdamsBashforth::new(order)));
    }
    for (name, order) in [
        ("Deis 1", Order::First),
        ("Deis 2", Order::Second),
        ("Deis 3", Order::Third),
        ("Deis 4", Order::Fourth),
    ] {
        add(name, InTime, of(Deis::new(order, VP())));
    }
    for (name, order, variable) in [
        (
            "ExponentialAdamsBashforth 1, clean",
            Order::First,
            Variable::Clean,
        ),
        (
            "ExponentialAdamsBashforth 2, clean",
            Order::Second,
            Variable::Clean,
        ),
        (
            "ExponentialAdamsBashforth 3, clean",
            Order::Third,
            Variable::Clean,
        ),
        (
            "ExponentialAdamsBashforth 4, clean",
            Order::Fourth,
            Variable::Clean,
        ),
        (
            "ExponentialAdamsBashforth 2, noise",
            Order::Second,
            Variable::Noise,
        ),
        (
            "ExponentialAdamsBashforth 3, noise",
            Order::Third,
            Variable::Noise,
        ),
    ] {
        let step = ExponentialAdamsBashforth::new(order, variable);
        add(name, Deterministic, of(step));
    }
    for (name, step) in [
        (
            "DpmSolverMultistep 2M++",
            DpmSolverMultistep::plus_plus(Order::Second),
        ),
        (
            "DpmSolverMultistep 3M++",
            DpmSolverMultistep::plus_plus(Order::Third),
        ),
        (
            "DpmSolverMultistep 2M",
            DpmSolverMultistep::on_noise(Order::Second),
        ),
        (
            "DpmSolverMultistep 3M",
            DpmSolverMultistep::on_noise(Order::Third),
        ),
    ] {
        add(name, Deterministic, of(step));
    }
    for (name, step) in [
        ("DpmSolver 2S++", DpmSolver::second(Variable::Clean)),
        ("DpmSolver 3S++", DpmSolver::third(Variable::Clean)),
        ("DpmSolver 2S", DpmSolver::second(Variable::Noise)),
        ("DpmSolver 3S", DpmSolver::third(Variable::Noise)),
    ] {
        add(name, Deterministic, of(step));
    }
    for (name, order, rule, variable) in [
        (
            "UniPc 1, bh1",
            Order::First,
            UniPcRule::Bh1,
            Variable::Clean,
        ),
        (
            "UniPc 1, bh2",
            Order::First,
            UniPcRule::Bh2,
            Variable::Clean,
        ),
        (
            "UniPc 2, bh1",
            Order::Second,
            UniPcRule::Bh1,
            Variable::Clean,
        ),
        (
            "UniPc 2, bh2",
            Order::Second,
            UniPcRule::Bh2,
            Variable::Clean,
        ),
        (
            "UniPc 3, bh2",
            Order::Third,
            UniPcRule::Bh2,
            Variable::Clean,
        ),
        (
            "UniPc 1, noise",
            Order::First,
            UniPcRule::Bh2,
            Variable::Noise,
        ),
        (
            "UniPc 2, noise",
            Order::Second,
            UniPcRule::Bh2,
            Variable::Noise,
        ),
        (
            "UniPc 3, noise",
            Order::Third,
            UniPcRule::Bh2,
            Variable::Noise,
        ),
    ] {
        let step = UniPc::new(order).with_rule(rule).with_variable(variable);
        add(name, FromNoise, of(step));
    }
    let predictor = UniPc::new(Order::Third).predicting_only();
    add("UniPc 3, predictor", FromNoise, of(predictor));
    add("Ipndm 1", InTime, of(Ipndm::new(Order::First)));
    add("Ipndm 2", InTime, of(Ipndm::new(Order::Second)));
    add("Ipndm 4", InTime, of(Ipndm::default()));
    add("Pndm, Runge–Kutta", InTime, of(Pndm::new(VP())));
    let improved = Pndm::new(VP()).with_start(PndmStart::ImprovedEuler);
    add("Pndm, improved Euler", InTime, of(improved));

    add("Ancestral, small", Stochastic, of(Ancestral::default()));
    add("Ancestral, large", Stochastic, of(Ancestral::large()));
    add("LearnedAncestral", Stochastic, of(LearnedAncestral));
    add("Ddim, η = 0.5", Stochastic, of(Ddim::new(0.5).expect("η")));
    add("Ddim, η = 1", Stochastic, of(Ddim::ancestral()));
    add("ReverseDiffusion", Stochastic, of(ReverseDiffusion));
    add(
        "EulerMaruyama",
        StochasticInTime,
        of(EulerMaruyama::new(VP())),
    );
    add("DpmSde", Stochastic, of(DpmSde::new()));
    for (name, step) in [
        (
            "DpmSolverMultistep 1M SDE",
            DpmSolverMultistep::plus_plus(Order::First),
        ),
        (
            "DpmSolverMultistep 2M SDE",
            DpmSolverMultistep::plus_plus(Order::Second),
        ),
        (
            "DpmSolverMultistep 3M SDE",
            DpmSolverMultistep::plus_plus(Order::Third),
        ),
    ] {
        add(name, Stochastic, of(step.sde()));
    }
    for (name, step) in [
        (
            "DpmSolverMultistep 1M SDE, noise",
            DpmSolverMultistep::on_noise(Order::First).sde(),
        ),
        (
            "DpmSolverMultistep 2M SDE, noise",
            DpmSolverMultistep::on_noise(Order::Second).sde(),
        ),
        (
            "DpmSolverMultistep 2M SDE, η = 0.5",
            DpmSolverMultistep::plus_plus(Order::Second)
                .with_eta(0.5)
                .expect("η"),
        ),
    ] {
        add(name, Stochastic, of(step));
    }
    add(
        "DpmSde, η = 0.5",
        Stochastic,
        of(DpmSde::new().with_eta(0.5).expect("η")),
    );
    let half = FreshNoise::new(DpmSolver::second(Variable::Clean))
        .with_eta(0.5)
        .expect("η");
    add("FreshNoise, 2S++, η = 0.5", Stochastic, of(half));
    add(
        "FreshNoise, Euler",
        Stochastic,
        of(FreshNoise::new(Ddim::deterministic())),
    );
    let two = DpmSolver::second(Variable::Clean);
    add("FreshNoise, 2S++", Stochastic, of(FreshNoise::new(two)));
    entries
}
