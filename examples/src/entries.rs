//! Every sampler that moves along a path it is given.

use tweedie::math::multistep::{AdamsBashforth, Deis, Ipndm, Variable};
use tweedie::math::{EulerMaruyama, PosteriorVariance, ReverseDiffusion};
use tweedie::prelude::*;
use tweedie::samplers::{
    AnyStep, DpmSde, DpmSolver, FreshNoise, Langevin, Pndm, PredictorCorrector, UniPc,
};

/// A step that is measured.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The step.
    pub step: AnyStep<2>,
    /// How often it evaluates the denoiser in a move.
    pub evaluations: usize,
    /// How often it does so besides, in its first moves.
    pub besides: usize,
    /// Whether it adds noise.
    pub noisy: bool,
}

/// All of them, the deterministic first.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |name, evaluations, noisy, step| {
        entries.push(Entry {
            name,
            step,
            evaluations,
            // PNDM's first three moves take four each.
            besides: if name == "PNDM" { 9 } else { 0 },
            noisy,
        });
    };
    let vp = VariancePreserving::default();
    add(
        "DDIM η = 0 (Euler)",
        1,
        false,
        AnyStep::new(Ddim::deterministic()),
    );
    add("midpoint", 2, false, AnyStep::new(RungeKutta::midpoint()));
    add("Heun", 2, false, AnyStep::new(RungeKutta::heun()));
    add("RK4", 4, false, AnyStep::new(RungeKutta::rk4()));
    add(
        "Adams–Bashforth 2 (LMS)",
        1,
        false,
        AnyStep::new(AdamsBashforth::new(Order::Second)),
    );
    add(
        "Adams–Bashforth 4 (LMS)",
        1,
        false,
        AnyStep::new(AdamsBashforth::new(Order::Fourth)),
    );
    add(
        "DEIS 3",
        1,
        false,
        AnyStep::new(Deis::new(Order::Third, vp)),
    );
    add("iPNDM 4", 1, false, AnyStep::new(Ipndm::default()));
    add("PNDM", 1, false, AnyStep::new(Pndm::new(vp)));
    add(
        "DPM-Solver-2",
        2,
        false,
        AnyStep::new(DpmSolver::second(Variable::Noise)),
    );
    add(
        "DPM-Solver-3",
        3,
        false,
        AnyStep::new(DpmSolver::third(Variable::Noise)),
    );
    add(
        "DPM-Solver++ 2S",
        2,
        false,
        AnyStep::new(DpmSolver::second(Variable::Clean)),
    );
    add(
        "DPM-Solver++ 2M",
        1,
        false,
        AnyStep::new(DpmSolverMultistep::plus_plus(Order::Second)),
    );
    add(
        "DPM-Solver++ 3M",
        1,
        false,
        AnyStep::new(DpmSolverMultistep::plus_plus(Order::Third)),
    );
    add("UniPC 2", 1, false, AnyStep::new(UniPc::new(Order::Second)));
    add("UniPC 3", 1, false, AnyStep::new(UniPc::new(Order::Third)));
    add(
        "DDPM, small variance",
        1,
        true,
        AnyStep::new(Ancestral::default()),
    );
    let large = Ancestral::new(PosteriorVariance::Large);
    add("DDPM, large variance", 1, true, AnyStep::new(large));
    add("DDIM η = 0.5", 1, true, AnyStep::new(Ddim::with_eta(0.5)));
    add(
        "Euler–Maruyama",
        1,
        true,
        AnyStep::new(EulerMaruyama::new(vp)),
    );
    add("reverse diffusion", 1, true, AnyStep::new(ReverseDiffusion));
    let corrector = Langevin::annealed(0.05, 1.0);
    let corrected = PredictorCorrector::new(ReverseDiffusion, corrector);
    add(
        "reverse diffusion, Langevin",
        2,
        true,
        AnyStep::new(corrected),
    );
    let two = DpmSolver::second(Variable::Clean);
    add(
        "DPM++ 2S ancestral",
        2,
        true,
        AnyStep::new(FreshNoise::new(two)),
    );
    add("DPM++ SDE", 2, true, AnyStep::new(DpmSde::new()));
    let multistep = |order| DpmSolverMultistep::plus_plus(order).with_eta(1.0);
    add(
        "DPM++ 2M SDE",
        1,
        true,
        AnyStep::new(multistep(Order::Second)),
    );
    add(
        "DPM++ 3M SDE",
        1,
        true,
        AnyStep::new(multistep(Order::Third)),
    );
    entries
}
