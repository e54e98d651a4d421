//! All samplers that run along a given path.

use tweedie::math::multistep::{AdamsBashforth, Deis, Ipndm, Variable};
use tweedie::math::{EulerMaruyama, ParameterError, ReverseDiffusion};
use tweedie::prelude::*;
use tweedie::samplers::{
    AnyStep, Convergence, DpmSde, DpmSolver, FreshNoise, Langevin, Pndm, PredictorCorrector, UniPc,
};

/// A sampler step to be measured.
#[derive(Debug)]
pub struct Entry {
    /// The name in tables and plots.
    pub name: &'static str,
    /// The step.
    pub step: AnyStep<2>,
    /// The declared order.
    pub order: usize,
    /// Evaluations of the denoiser per move.
    pub evaluations: usize,
    /// Further evaluations in the first moves, in all.
    pub besides: usize,
    /// Whether the step adds noise.
    pub noisy: bool,
}

/// Pairs a step with its declared order.
fn of<S>(step: S) -> (AnyStep<2>, usize)
where
    S: Step<2, Memory: 'static> + Convergence + Send + Sync + 'static,
{
    let order = step.order();
    (AnyStep::new(step), order)
}

/// Returns all entries, the deterministic ones first.
///
/// # Errors
/// None for these numbers.
pub fn entries() -> Result<Vec<Entry>, ParameterError> {
    let mut entries = Vec::new();
    let mut add = |name, evaluations, noisy, (step, order)| {
        entries.push(Entry {
            name,
            step,
            order,
            evaluations,
            // Each of PNDM's first three moves takes four evaluations.
            besides: if name == "PNDM" { 9 } else { 0 },
            noisy,
        });
    };
    let vp = VariancePreserving::default();
    add("DDIM η = 0 (Euler)", 1, false, of(Ddim::deterministic()));
    add("midpoint", 2, false, of(RungeKutta::midpoint()));
    add("Heun", 2, false, of(RungeKutta::heun()));
    add("RK4", 4, false, of(RungeKutta::rk4()));
    add(
        "Adams–Bashforth 2 (LMS)",
        1,
        false,
        of(AdamsBashforth::new(Order::Second)),
    );
    add(
        "Adams–Bashforth 4 (LMS)",
        1,
        false,
        of(AdamsBashforth::new(Order::Fourth)),
    );
    add("DEIS 3", 1, false, of(Deis::new(Order::Third, vp)));
    add("iPNDM 4", 1, false, of(Ipndm::default()));
    add("PNDM", 1, false, of(Pndm::new(vp)));
    add(
        "DPM-Solver-2",
        2,
        false,
        of(DpmSolver::second(Variable::Noise)),
    );
    add(
        "DPM-Solver-3",
        3,
        false,
        of(DpmSolver::third(Variable::Noise)),
    );
    add(
        "DPM-Solver++ 2S",
        2,
        false,
        of(DpmSolver::second(Variable::Clean)),
    );
    add(
        "DPM-Solver++ 2M",
        1,
        false,
        of(DpmSolverMultistep::plus_plus(Order::Second)),
    );
    add(
        "DPM-Solver++ 3M",
        1,
        false,
        of(DpmSolverMultistep::plus_plus(Order::Third)),
    );
    add("UniPC 2", 1, false, of(UniPc::new(Order::Second)));
    add("UniPC 3", 1, false, of(UniPc::new(Order::Third)));
    add("DDPM, small variance", 1, true, of(Ancestral::default()));
    add("DDPM, large variance", 1, true, of(Ancestral::large()));
    add("DDIM η = 0.5", 1, true, of(Ddim::new(0.5)?));
    add("Euler–Maruyama", 1, true, of(EulerMaruyama::new(vp)));
    add("reverse diffusion", 1, true, of(ReverseDiffusion));
    let corrector = Langevin::annealed(0.05, 1.0)?;
    let corrected = PredictorCorrector::new(ReverseDiffusion, corrector);
    add(
        "reverse diffusion, Langevin",
        2,
        true,
        (AnyStep::new(corrected), 1),
    );
    let two = DpmSolver::second(Variable::Clean);
    add("DPM++ 2S ancestral", 2, true, of(FreshNoise::new(two)));
    add("DPM++ SDE", 2, true, of(DpmSde::new()));
    let multistep = |order| DpmSolverMultistep::plus_plus(order).sde();
    add("DPM++ 2M SDE", 1, true, of(multistep(Order::Second)));
    add("DPM++ 3M SDE", 1, true, of(multistep(Order::Third)));
    Ok(entries)
}
