//! Steps.

use crate::ok;
use burn::tensor::Tensor;
use tweedie_core::per_sample_sum;
use tweedie_math::{Level, Schedule, VariancePreserving, tableau};
use tweedie_samplers::{
    AdamsBashforth, Adaptive, AdaptiveSde, Ancestral, AnnealedLangevin, AnyStep, Churn,
    Convergence, Ddim, Deis, DpmSde, DpmSolver, DpmSolverMultistep, EulerMaruyama, EulerOde,
    ExponentialAdamsBashforth, FreshNoise, Ipndm, Langevin, LearnedAncestral, Mala, Order, Pndm,
    PndmStart, PredictorCorrector, Renoise, ReverseDiffusion, RungeKutta, Step, UniPc, UniPcRule,
    Variable,
};

/// What the error of a step is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// The flow of a Gaussian, on a path even in log-SNR.
    Flow,
    /// The flow of a mixture, on the same path.
    FlowOfMixture,
    /// The flow of a Gaussian, on a path even in the schedule's time.
    FlowInTime,
    /// The flow of a Gaussian, on a path even in `σ/α`.
    FlowInRatio,
    /// The flow of a Gaussian, even in log-SNR, from pure noise, where a first move of lower order
    /// costs nothing.
    FlowFromNoise,
    /// Mean and standard deviation on a Gaussian, on a path even in log-SNR.
    Law,
    /// Mean and standard deviation on a Gaussian, on a path even in time.
    LawInTime,
}

/// A step, and what is known of it.
#[derive(Clone, Debug)]
pub struct NamedStep<const D: usize> {
    /// The published name.
    pub name: &'static str,
    /// The step.
    pub step: AnyStep<D>,
    /// The declared order; 1 for a step without a criterion.
    pub order: usize,
    /// How the order is measured; `None` if the error does not fall with the number of moves.
    pub criterion: Option<Criterion>,
    /// The factor by which the number of moves is increased when the order is measured.
    pub refined: usize,
    /// Evaluations of the denoiser per move, if the number is constant.
    pub evaluations: Option<usize>,
    /// Further evaluations in the first moves.
    pub warm_up: usize,
    /// Whether the step adds noise.
    pub is_noisy: bool,
    /// Whether its moves overlap, so that the noise has to come from one Brownian path.
    pub overlaps: bool,
    /// Whether the step moves along a path of falling noise. Others stay at their level.
    pub descends: bool,
    /// Whether tables and benchmarks show the step, as one of its family.
    pub is_featured: bool,
}

/// A step whose error falls with the number of moves.
fn of<const D: usize, S>(name: &'static str, criterion: Criterion, step: S) -> NamedStep<D>
where
    S: Step<D, Memory: 'static> + Convergence + Send + Sync + 'static,
{
    let order = step.order();
    NamedStep {
        order,
        criterion: Some(criterion),
        is_noisy: matches!(criterion, Criterion::Law | Criterion::LawInTime),
        ..without_limit(name, step)
    }
}

/// A step whose error does not fall with the number of moves.
fn without_limit<const D: usize, S>(name: &'static str, step: S) -> NamedStep<D>
where
    S: Step<D, Memory: 'static> + Send + Sync + 'static,
{
    NamedStep {
        name,
        step: AnyStep::new(step),
        order: 1,
        criterion: None,
        refined: 1,
        evaluations: Some(1),
        warm_up: 0,
        is_noisy: true,
        overlaps: false,
        descends: true,
        is_featured: false,
    }
}

impl<const D: usize> NamedStep<D> {
    fn featured(mut self) -> Self {
        self.is_featured = true;
        self
    }

    fn evaluating(mut self, evaluations: usize) -> Self {
        self.evaluations = Some(evaluations);
        self
    }

    fn warming_up(mut self, warm_up: usize) -> Self {
        self.warm_up = warm_up;
        self
    }

    fn refined(mut self, refined: usize) -> Self {
        self.refined = refined;
        self
    }

    /// Marks a step that chooses its number of evaluations.
    fn adaptive(mut self, is_noisy: bool) -> Self {
        self.evaluations = None;
        self.is_noisy = is_noisy;
        self
    }

    fn overlapping(mut self) -> Self {
        self.overlaps = true;
        self
    }

    /// Marks a step that stays at its level.
    fn staying(mut self) -> Self {
        self.descends = false;
        self
    }
}

/// Every step.
#[must_use]
pub fn steps<const D: usize>() -> Vec<NamedStep<D>> {
    [deterministic(), stochastic(), others()].concat()
}

/// The steps that tables and benchmarks show.
#[must_use]
pub fn featured_steps<const D: usize>() -> Vec<NamedStep<D>> {
    let all = steps().into_iter();
    all.filter(|step| step.is_featured).collect()
}

/// The steps whose error falls with the number of moves.
#[must_use]
pub fn converging_steps<const D: usize>() -> Vec<NamedStep<D>> {
    let all = steps().into_iter();
    all.filter(|step| step.criterion.is_some()).collect()
}

const VP: fn() -> VariancePreserving = VariancePreserving::default;

/// Steps along the probability flow.
fn deterministic<const D: usize>() -> Vec<NamedStep<D>> {
    use Criterion::{Flow, FlowFromNoise, FlowInRatio, FlowInTime, FlowOfMixture};
    use Order::{First, Fourth, Second, Third};
    use Variable::{Clean, Noise};
    let runge_kutta = |tableau| ok(RungeKutta::new(tableau));
    let exponential = ExponentialAdamsBashforth::new;
    let uni_pc = |order, rule, variable| UniPc::new(order).with_rule(rule).with_variable(variable);
    vec![
        of("DDIM η = 0 (Euler)", Flow, Ddim::deterministic()).featured(),
        of("Euler", FlowInTime, EulerOde::new(VP())),
        of("Runge–Kutta, Euler", Flow, runge_kutta(tableau::EULER)),
        // Along the chord the variance of a Gaussian is quadratic, for which the midpoint rule is
        // of order 3.
        of("midpoint", FlowOfMixture, RungeKutta::midpoint())
            .evaluating(2)
            .featured(),
        of("Heun", Flow, RungeKutta::heun())
            .evaluating(2)
            .featured(),
        of("RK4", Flow, RungeKutta::rk4()).evaluating(4).featured(),
        of(
            "Bogacki–Shampine",
            Flow,
            runge_kutta(tableau::BOGACKI_SHAMPINE),
        )
        .evaluating(3),
        of("Adams–Bashforth 1", FlowInRatio, AdamsBashforth::new(First)),
        of(
            "Adams–Bashforth 2 (LMS)",
            FlowInRatio,
            AdamsBashforth::new(Second),
        )
        .featured(),
        of("Adams–Bashforth 3", FlowInRatio, AdamsBashforth::new(Third)),
        of(
            "Adams–Bashforth 4 (LMS)",
            FlowInRatio,
            AdamsBashforth::new(Fourth),
        )
        .featured(),
        of("DEIS 1", FlowInTime, Deis::new(First, VP())),
        of("DEIS 2", FlowInTime, Deis::new(Second, VP())),
        of("DEIS 3", FlowInTime, Deis::new(Third, VP())).featured(),
        of("DEIS 4", FlowInTime, Deis::new(Fourth, VP())).refined(2),
        of(
            "exponential Adams–Bashforth 1",
            Flow,
            exponential(First, Clean),
        ),
        of(
            "exponential Adams–Bashforth 2",
            Flow,
            exponential(Second, Clean),
        ),
        of(
            "exponential Adams–Bashforth 3",
            Flow,
            exponential(Third, Clean),
        ),
        of(
            "exponential Adams–Bashforth 4",
            Flow,
            exponential(Fourth, Clean),
        ),
        of(
            "exponential Adams–Bashforth 2, noise",
            Flow,
            exponential(Second, Noise),
        )
        .featured(),
        of(
            "exponential Adams–Bashforth 3, noise",
            Flow,
            exponential(Third, Noise),
        ),
        of("iPNDM 1", FlowInTime, Ipndm::new(First)),
        of("iPNDM 2", FlowInTime, Ipndm::new(Second)),
        of("iPNDM 4", FlowInTime, Ipndm::default()).featured(),
        of("PNDM", FlowInTime, Pndm::new(VP()))
            .warming_up(9)
            .featured(),
        of(
            "PNDM, improved Euler",
            FlowInTime,
            Pndm::new(VP()).with_start(PndmStart::ImprovedEuler),
        )
        .warming_up(1),
        of("DPM-Solver-2", Flow, DpmSolver::second(Noise))
            .evaluating(2)
            .featured(),
        of("DPM-Solver-3", Flow, DpmSolver::third(Noise))
            .evaluating(3)
            .featured(),
        of("DPM-Solver++ 2S", Flow, DpmSolver::second(Clean))
            .evaluating(2)
            .featured(),
        of("DPM-Solver++ 3S", Flow, DpmSolver::third(Clean)).evaluating(3),
        of("DPM-Solver 2M", Flow, DpmSolverMultistep::on_noise(Second)),
        of("DPM-Solver 3M", Flow, DpmSolverMultistep::on_noise(Third)),
        of(
            "DPM-Solver++ 2M",
            Flow,
            DpmSolverMultistep::plus_plus(Second),
        )
        .featured(),
        of(
            "DPM-Solver++ 3M",
            Flow,
            DpmSolverMultistep::plus_plus(Third),
        )
        .featured(),
        of(
            "UniPC 1, bh1",
            FlowFromNoise,
            uni_pc(First, UniPcRule::Bh1, Clean),
        ),
        of(
            "UniPC 1",
            FlowFromNoise,
            uni_pc(First, UniPcRule::Bh2, Clean),
        ),
        of(
            "UniPC 2, bh1",
            FlowFromNoise,
            uni_pc(Second, UniPcRule::Bh1, Clean),
        ),
        of(
            "UniPC 2",
            FlowFromNoise,
            uni_pc(Second, UniPcRule::Bh2, Clean),
        )
        .featured(),
        of(
            "UniPC 3",
            FlowFromNoise,
            uni_pc(Third, UniPcRule::Bh2, Clean),
        )
        .featured(),
        of(
            "UniPC 1, noise",
            FlowFromNoise,
            uni_pc(First, UniPcRule::Bh2, Noise),
        ),
        of(
            "UniPC 2, noise",
            FlowFromNoise,
            uni_pc(Second, UniPcRule::Bh2, Noise),
        ),
        of(
            "UniPC 3, noise",
            FlowFromNoise,
            uni_pc(Third, UniPcRule::Bh2, Noise),
        ),
        of(
            "UniPC 3, predictor",
            FlowFromNoise,
            UniPc::new(Third).predicting_only(),
        ),
    ]
}

/// Steps along the reverse SDE.
fn stochastic<const D: usize>() -> Vec<NamedStep<D>> {
    use Criterion::{Law, LawInTime};
    use Order::{First, Second, Third};
    let sde = |order| DpmSolverMultistep::plus_plus(order).sde();
    let two = DpmSolver::second(Variable::Clean);
    let half = DpmSolverMultistep::plus_plus(Second);
    vec![
        of("DDPM, small variance", Law, Ancestral::default()).featured(),
        of("DDPM, large variance", Law, Ancestral::large()).featured(),
        of("DDPM, learned variance", Law, LearnedAncestral),
        of("DDIM η = 0.5", Law, ok(Ddim::new(0.5))).featured(),
        of("DDIM η = 1", Law, Ddim::ancestral()).featured(),
        of("Euler–Maruyama", LawInTime, EulerMaruyama::new(VP())).featured(),
        of("reverse diffusion", Law, ReverseDiffusion).featured(),
        of("DPM++ 2S ancestral", Law, FreshNoise::new(two))
            .evaluating(2)
            .featured(),
        of(
            "DPM++ 2S ancestral, η = 0.5",
            Law,
            ok(FreshNoise::new(two).with_eta(0.5)),
        )
        .evaluating(2),
        of(
            "Euler ancestral",
            Law,
            FreshNoise::new(Ddim::deterministic()),
        ),
        of("DPM++ SDE", Law, DpmSde::new())
            .overlapping()
            .evaluating(2)
            .featured(),
        of("DPM++ SDE, η = 0.5", Law, ok(DpmSde::new().with_eta(0.5)))
            .overlapping()
            .evaluating(2),
        of("DPM++ 1M SDE", Law, sde(First)),
        of("DPM++ 2M SDE", Law, sde(Second)).featured(),
        // The third estimate helps so much at first that order 2 shows late.
        of("DPM++ 3M SDE", Law, sde(Third)).refined(8).featured(),
        of("DPM 1M SDE", Law, DpmSolverMultistep::on_noise(First).sde()),
        of(
            "DPM 2M SDE",
            Law,
            DpmSolverMultistep::on_noise(Second).sde(),
        ),
        of("DPM++ 2M SDE, η = 0.5", Law, ok(half.with_eta(0.5))),
    ]
}

/// Adaptive steps, steps without a convergence order, and steps that stay at one level.
fn others<const D: usize>() -> Vec<NamedStep<D>> {
    let annealed = ok(Langevin::annealed(0.05, 1.0));
    let churn = ok(Churn::new(RungeKutta::heun(), 4.0, 10));
    let end = VP().level(0.01);
    vec![
        without_limit(
            "reverse diffusion, Langevin",
            PredictorCorrector::new(ReverseDiffusion, annealed),
        )
        .evaluating(2)
        .featured(),
        without_limit("Heun with churn", churn)
            .evaluating(2)
            .featured(),
        without_limit("renoising, ζ = 0.3", ok(Renoise::new(0.3))),
        without_limit("annealed Langevin", ok(AnnealedLangevin::new(5, 1e-4, end))).evaluating(5),
        without_limit("Tsitouras, adaptive", Adaptive::tsitouras()).adaptive(false),
        without_limit("adaptive SDE", AdaptiveSde::new(VP())).adaptive(true),
        without_limit("Langevin", ok(Langevin::signal_to_noise(0.16))).staying(),
        without_limit("MALA", ok(Mala::new(0.1, normal)))
            .evaluating(2)
            .staying(),
    ]
}

/// `log N(x; 0, rms² I)` up to a constant: the density of standard normal data at a level.
fn normal<const D: usize>(x: Tensor<D>, level: Level) -> Tensor<1> {
    per_sample_sum(x.square()) * (-0.5 / level.rms().powi(2))
}
