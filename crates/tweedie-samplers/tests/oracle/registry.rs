//! Every step, by its name: what a new one has to join.

use tweedie_math::multistep::{
    AdamsBashforth, Deis, DpmSolverMultistep, ExponentialAdamsBashforth, Ipndm, Order, UniPcRule,
    Variable,
};
use tweedie_math::{
    Ancestral, Ddim, EulerMaruyama, PosteriorVariance, ProbabilityFlow, ReverseDiffusion,
    VariancePreserving, tableau,
};
use tweedie_samplers::{
    AnyStep, DpmSde, DpmSolver, FreshNoise, LearnedAncestral, Pndm, PndmStart, RungeKutta, UniPc,
};

/// A step and what it is measured by.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) step: AnyStep<2>,
    pub(crate) kind: Kind,
    /// How many times the numbers of steps are larger than usual.
    pub(crate) refined: usize,
}

/// What the error of a step is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The state, on a path even in log-SNR.
    Deterministic,
    /// The same for a mixture.
    OnMixture,
    /// The state, on a path even in the schedule's time.
    InTime,
    /// The state, on a path even in σ/α.
    InRatio,
    /// The state, even in log-SNR, from pure noise, where a first move of lower order costs nothing.
    FromNoise,
    /// Mean and variance, even in log-SNR.
    Stochastic,
    /// Mean and variance, even in time.
    StochasticInTime,
}

const VP: fn() -> VariancePreserving = VariancePreserving::default;

/// All steps whose error falls with the length of the path's moves.
pub(crate) fn converging() -> Vec<Entry> {
    use Kind::{
        Deterministic, FromNoise, InRatio, InTime, OnMixture, Stochastic, StochasticInTime,
    };
    let mut entries = Vec::new();
    let mut add = |name, kind, step| {
        let refined = match name {
            // The third estimate helps so much at first that order 2 shows late.
            "DpmSolverMultistep 3M SDE" => 8,
            "Deis 4" => 2,
            _ => 1,
        };
        entries.push(Entry {
            name,
            step,
            kind,
            refined,
        });
    };
    add("Ddim", Deterministic, AnyStep::new(Ddim::deterministic()));
    add(
        "ProbabilityFlow",
        InTime,
        AnyStep::new(ProbabilityFlow::new(VP())),
    );
    for (name, tableau) in [
        ("RungeKutta, Euler", tableau::EULER),
        ("RungeKutta, midpoint", tableau::MIDPOINT),
        ("RungeKutta, Heun", tableau::HEUN),
        ("RungeKutta, RK4", tableau::RK4),
        ("RungeKutta, Bogacki–Shampine", tableau::BOGACKI_SHAMPINE),
    ] {
        // Along the chord the variance of a Gaussian is quadratic, for which the midpoint rule is of
        // order 3.
        let kind = if name == "RungeKutta, midpoint" {
            OnMixture
        } else {
            Deterministic
        };
        add(name, kind, AnyStep::new(RungeKutta::new(tableau)));
    }
    for (name, order) in [
        ("AdamsBashforth 1", Order::First),
        ("AdamsBashforth 2", Order::Second),
        ("AdamsBashforth 3", Order::Third),
        ("AdamsBashforth 4", Order::Fourth),
    ] {
        add(name, InRatio, AnyStep::new(AdamsBashforth::new(order)));
    }
    for (name, order) in [
        ("Deis 1", Order::First),
        ("Deis 2", Order::Second),
        ("Deis 3", Order::Third),
        ("Deis 4", Order::Fourth),
    ] {
        add(name, InTime, AnyStep::new(Deis::new(order, VP())));
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
        add(name, Deterministic, AnyStep::new(step));
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
        add(name, Deterministic, AnyStep::new(step));
    }
    for (name, step) in [
        ("DpmSolver 2S++", DpmSolver::second(Variable::Clean)),
        ("DpmSolver 3S++", DpmSolver::third(Variable::Clean)),
        ("DpmSolver 2S", DpmSolver::second(Variable::Noise)),
        ("DpmSolver 3S", DpmSolver::third(Variable::Noise)),
    ] {
        add(name, Deterministic, AnyStep::new(step));
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
        add(name, FromNoise, AnyStep::new(step));
    }
    let predictor = UniPc::new(Order::Third).predicting_only();
    add("UniPc 3, predictor", FromNoise, AnyStep::new(predictor));
    add("Ipndm 1", InTime, AnyStep::new(Ipndm::new(Order::First)));
    add("Ipndm 2", InTime, AnyStep::new(Ipndm::new(Order::Second)));
    add("Ipndm 4", InTime, AnyStep::new(Ipndm::default()));
    add("Pndm, Runge–Kutta", InTime, AnyStep::new(Pndm::new(VP())));
    let improved = Pndm::new(VP()).with_start(PndmStart::ImprovedEuler);
    add("Pndm, improved Euler", InTime, AnyStep::new(improved));

    add(
        "Ancestral, small",
        Stochastic,
        AnyStep::new(Ancestral::default()),
    );
    let large = Ancestral::new(PosteriorVariance::Large);
    add("Ancestral, large", Stochastic, AnyStep::new(large));
    add(
        "LearnedAncestral",
        Stochastic,
        AnyStep::new(LearnedAncestral),
    );
    add(
        "Ddim, η = 0.5",
        Stochastic,
        AnyStep::new(Ddim::with_eta(0.5)),
    );
    add("Ddim, η = 1", Stochastic, AnyStep::new(Ddim::ancestral()));
    add(
        "ReverseDiffusion",
        Stochastic,
        AnyStep::new(ReverseDiffusion),
    );
    add(
        "EulerMaruyama",
        StochasticInTime,
        AnyStep::new(EulerMaruyama::new(VP())),
    );
    add("DpmSde", Stochastic, AnyStep::new(DpmSde::new()));
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
        add(name, Stochastic, AnyStep::new(step.with_eta(1.0)));
    }
    for (name, step) in [
        (
            "DpmSolverMultistep 1M SDE, noise",
            DpmSolverMultistep::on_noise(Order::First).with_eta(1.0),
        ),
        (
            "DpmSolverMultistep 2M SDE, noise",
            DpmSolverMultistep::on_noise(Order::Second).with_eta(1.0),
        ),
        (
            "DpmSolverMultistep 2M SDE, η = 0.5",
            DpmSolverMultistep::plus_plus(Order::Second).with_eta(0.5),
        ),
    ] {
        add(name, Stochastic, AnyStep::new(step));
    }
    add(
        "DpmSde, η = 0.5",
        Stochastic,
        AnyStep::new(DpmSde::new().with_eta(0.5)),
    );
    let half = FreshNoise::new(DpmSolver::second(Variable::Clean)).with_eta(0.5);
    add("FreshNoise, 2S++, η = 0.5", Stochastic, AnyStep::new(half));
    add(
        "FreshNoise, Euler",
        Stochastic,
        AnyStep::new(FreshNoise::new(Ddim::deterministic())),
    );
    let two = DpmSolver::second(Variable::Clean);
    add(
        "FreshNoise, 2S++",
        Stochastic,
        AnyStep::new(FreshNoise::new(two)),
    );
    entries
}
