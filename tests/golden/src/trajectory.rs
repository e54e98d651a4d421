//! Whole runs of a peer's sampler, with its recorded noise.

use crate::case::Case;
use crate::compare::{DOUBLE, SINGLE};
use crate::error::{Done, GoldenError, lacks, refused, skip};
use crate::levels::moves;
use crate::model::{clipped, clipped_late, model};
use crate::record::Recorded;
use crate::settings::{chain, indices, spacing};
use crate::{churn, multistep, pndm};
use serde_json::Value;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{DenoiseError, Posterior, Replay};
use tweedie::math::{
    Ancestral, Ddim, Kernel, Level, LevelPath, Move, MoveError, PosteriorVariance, Transition,
};
use tweedie::prelude::{Denoiser, Noise, RungeKutta, Step};
use tweedie::samplers::{History, LearnedAncestral, State, StepContext};

pub(crate) fn run(case: &Case) -> Done {
    if case.own("finite") == Some(&Value::Bool(false)) {
        return skip(format!("the peer is not finite: {}", case.text("note")));
    }
    // It is a copy of `prediction_type`.
    case.implied(&["config.prediction_type"]);
    let levels = case.text("model_kind");
    if !["vp", "ve", "vps", "edm", "flow"].contains(&levels) {
        return Err(lacks(format!("a known model_kind: {levels}")));
    }
    match case.text("cls").trim_end_matches("Scheduler") {
        "DDPM" => ddpm(case),
        "DDIM" => ddim(case),
        "HeunDiscrete" => heun(case),
        "EulerDiscrete" | "EDMEuler" if case.get("step_kwargs.s_churn").is_some() => {
            churn::run(case)
        }
        "EulerDiscrete" | "EDMEuler" => by_sigmas(case, Ddim::deterministic()),
        "EulerAncestralDiscrete" => by_sigmas(case, Ddim::ancestral()),
        // All noise is fresh: η is large enough to reach its upper bound.
        "FlowMatchEulerDiscrete" if case.flag("config.stochastic_sampling", false) => {
            by_sigmas(case, Ddim::new(1e9)?)
        }
        "FlowMatchEulerDiscrete" => by_sigmas(case, Ddim::deterministic()),
        "DPMSolverMultistep" => multistep::dpm_solver(case),
        "UniPCMultistep" => multistep::uni_pc(case),
        "PNDM" => pndm::run(case),
        class => skip(format!("{class} is not implemented yet")),
    }
}

/// The state after a move.
pub(crate) type Moved = Result<State<4>, GoldenError>;

/// Runs the moves in both precisions and compares every state and estimate.
pub(crate) fn walk(
    case: &Case,
    moves: &[Move],
    step: impl Fn(&dyn Denoiser<4>, Tensor<4>, Move, &mut dyn Noise<4>, usize) -> Moved,
) -> Done {
    walk_by(case, moves, SINGLE, |dtype| model(case, dtype), step)
}

/// Like `walk`, with another denoiser and another tolerance in `f32`.
pub(crate) fn walk_by(
    case: &Case,
    moves: &[Move],
    single: f64,
    model: impl Fn(DType) -> Result<Box<dyn Denoiser<4>>, GoldenError>,
    step: impl Fn(&dyn Denoiser<4>, Tensor<4>, Move, &mut dyn Noise<4>, usize) -> Moved,
) -> Done {
    let states = case.record("xs")?;
    let estimates = case.find("pred_original_sample");
    for dtype in [DType::F64, DType::F32] {
        let mut noise = Replay::new(case.parts_if_any("noises", dtype)?);
        let model = model(dtype)?;
        let mut x = states.part(0).tensor::<4>(dtype)?;
        for (k, &mv) in moves.iter().enumerate() {
            let state = step(&*model, x, mv, &mut noise, k)?;
            x = state.x;
            if dtype == DType::F64 {
                check_state(case, k + 1, &x)?;
                if let (Some(clean), Some(estimates)) = (state.clean, estimates) {
                    let name = format!("pred_original_sample[{k}]");
                    case.compare(&name, clean, &estimates.part(k), DOUBLE);
                }
            }
        }
        if dtype == DType::F32 {
            single_precision(case, x, single)?;
        }
    }
    Ok(())
}

/// Compares a state with the recorded state `k`.
pub(crate) fn check_state<const D: usize>(case: &Case, k: usize, x: &Tensor<D>) -> Done {
    let recorded = case.record("xs")?.part(k);
    case.compare(&format!("xs[{k}]"), x.clone(), &recorded, DOUBLE);
    Ok(())
}

/// Compares all states of a run after the first one.
pub(crate) fn check_states<const D: usize>(case: &Case, states: &[Tensor<D>]) -> Done {
    let expected = case.record("xs")?.shape[0] - 1;
    if states.len() != expected {
        return Err(refused(format!(
            "{} states instead of {expected}",
            states.len()
        )));
    }
    (1..)
        .zip(states)
        .try_for_each(|(k, x)| check_state(case, k, x))
}

/// Compares the end of a run in `f32` with the recorded run in `f64`. Also compares it with the
/// peer's run in `f32`, up to the recorded rounding error of the peer.
pub(crate) fn single_precision(case: &Case, x: Tensor<4>, tolerance: f64) -> Done {
    let states = case.record("xs")?;
    let last = states.part(states.shape[0] - 1);
    case.compare("the last state in f32", x.clone(), &last, tolerance);
    let peer = case.own("f32_vs_f64_max_abs").and_then(Value::as_f64);
    let peers = tolerance + peer.unwrap_or(0.0);
    case.check("x_final_f32", x, peers)
}

/// Returns the tolerance in `f32` of a run with recorded outputs.
///
/// Recorded outputs do not depend on the state, so nothing contracts the rounding errors of the
/// first states: they grow with `1/α` until the end.
pub(crate) fn open_loop(
    case: &Case,
    levels: impl Iterator<Item = Level>,
) -> Result<f64, GoldenError> {
    let states = case.record("xs")?.parts();
    let grown = states
        .iter()
        .zip(levels)
        .map(|(state, level)| state.largest() / level.alpha());
    Ok(f64::max(
        SINGLE,
        2.0 * f64::from(f32::EPSILON) * grown.fold(0.0, f64::max),
    ))
}

/// Makes a move with a kernel.
pub(crate) fn by_kernel(
    kernel: &impl Kernel,
    model: &dyn Denoiser<4>,
    x: Tensor<4>,
    mv: Move,
    noise: &mut dyn Noise<4>,
) -> Moved {
    moved(kernel, model, x, mv, noise, &mut History::default())
}

/// Makes a move with any step.
pub(crate) fn moved<S: Step<4>>(
    step: &S,
    model: &dyn Denoiser<4>,
    x: Tensor<4>,
    mv: Move,
    noise: &mut dyn Noise<4>,
    memory: &mut S::Memory,
) -> Moved {
    Ok(step.step(x, mv, &mut StepContext::new(model, noise), memory)?)
}

fn ddpm(case: &Case) -> Done {
    let chain = chain(case)?;
    let nodes = visited(case)?.into_iter().map(|i| chain.node(i));
    let path = LevelPath::through(nodes.chain([Level::CLEAN]).collect())?;
    let moves: Vec<Move> = path.moves().collect();
    let draws = case.numbers("noise_used_at_step").unwrap_or_default();
    // The peer's variance has a floor of 1e-20, and the peer draws noise in a last step from a node
    // above 0.
    let floored = move |transition: Transition, k: usize| Transition {
        noise: if draws.contains(&(k as f64)) {
            transition.noise.max(1e-10)
        } else {
            0.0
        },
        ..transition
    };
    let variance = match case.text_or("config.variance_type", "fixed_small") {
        "fixed_small" | "fixed_small_log" => PosteriorVariance::Small,
        "fixed_large" => PosteriorVariance::Large,
        "learned_range" => return learned(case, &moves),
        other => return skip(format!("variance {other} is not implemented yet")),
    };
    walk(case, &moves, |model, x, mv, noise, k| {
        let transition = Ancestral::new(variance)?.transition(mv.from, mv.to)?;
        by_kernel(&Fixed(floored(transition, k)), model, x, mv, noise)
    })
}

/// Replays DDPM with a learned variance. The second half of the recorded channels holds, for every
/// value, the position of its log-variance between β̃ (−1) and β (1).
fn learned(case: &Case, moves: &[Move]) -> Done {
    let outputs = case.record("model_outputs")?.parts();
    walk(case, moves, |model, x, mv, noise, k| {
        let channels = x.dims()[1];
        let place = outputs[k]
            .tensor::<4>(x.dtype())?
            .narrow(1, channels, channels);
        let interpolation = (place + 1.0) * 0.5;
        let learned = Learned {
            model,
            interpolation,
        };
        moved(&LearnedAncestral, &learned, x, mv, noise, &mut ())
    })
}

/// A denoiser with a recorded variance.
struct Learned<'a> {
    model: &'a dyn Denoiser<4>,
    interpolation: Tensor<4>,
}

impl Denoiser<4> for Learned<'_> {
    fn denoise(&self, x: Tensor<4>, level: Level) -> Result<Tensor<4>, DenoiseError> {
        self.model.denoise(x, level)
    }

    fn estimate(&self, x: Tensor<4>, level: Level) -> Result<Posterior<4>, DenoiseError> {
        let (clean, interpolation) = (self.denoise(x, level)?, Some(self.interpolation.clone()));
        Ok(Posterior {
            clean,
            interpolation,
        })
    }
}

fn ddim(case: &Case) -> Done {
    let chain = chain(case)?;
    let nodes = visited(case)?;
    let to_one = case.flag("config.set_alpha_to_one", true);
    let last = if to_one { Level::CLEAN } else { chain.node(0) };
    // The peer's previous node is t − ⌊T/N⌋, which is not always the next node of its list.
    let stride = chain.len() / nodes.len();
    let to = |t: usize| t.checked_sub(stride).map_or(last, |s| chain.node(s));
    let moves = nodes.iter().map(|&t| Move {
        from: chain.node(t),
        to: to(t),
    });
    let moves: Vec<Move> = moves.collect();
    let kernel = Ddim::new(case.number_or("step_kwargs.eta", 0.0))?;
    let consistent = case.flag("step_kwargs.use_clipped_model_output", false);
    walk(case, &moves, |model, x, mv, noise, _| {
        if consistent {
            let bounded = clipped(case, Box::new(model))?;
            return by_kernel(&kernel, &*bounded, x, mv, noise);
        }
        let state = by_kernel(&kernel, model, x, mv, noise)?;
        let clean = state
            .clean
            .ok_or_else(|| refused("a kernel gives its estimate"))?;
        let (x, clean) = clipped_late(case, (state.x, clean), (mv.from, mv.to))?;
        Ok(State::new(mv.to, x, Some(clean)))
    })
}

fn heun(case: &Case) -> Done {
    // All states except the first and last are recorded twice, once for each evaluation.
    let moves = moves(case)?;
    let states = case.record("xs")?;
    for dtype in [DType::F64, DType::F32] {
        let model = clipped(case, model(case, dtype)?)?;
        let mut x = states.part(0).tensor::<4>(dtype)?;
        for (k, &mv) in moves.iter().enumerate() {
            let mut nothing = Replay::new(Vec::new());
            x = moved(&RungeKutta::heun(), &*model, x, mv, &mut nothing, &mut ())?.x;
            if dtype == DType::F64 {
                check_state(case, (2 * (k + 1)).min(states.shape[0] - 1), &x)?;
            }
        }
        if dtype == DType::F32 {
            single_precision(case, x, SINGLE)?;
        }
    }
    Ok(())
}

/// Runs through the noise levels of the configuration.
fn by_sigmas(case: &Case, kernel: Ddim) -> Done {
    walk(case, &moves(case)?, |model, x, mv, noise, _| {
        by_kernel(&kernel, model, x, mv, noise)
    })
}

/// Returns the nodes of a run, which must be the recorded ones: those of a spacing, or else a list.
fn visited(case: &Case) -> Result<Vec<usize>, GoldenError> {
    let found = match case.count("num_inference_steps") {
        Ok(steps) => spacing(case, "leading")?.indices(chain(case)?.len(), steps)?,
        Err(_) => {
            let given = case.numbers("set_timesteps_kwargs.timesteps")?;
            given.into_iter().map(|t| t as usize).collect()
        }
    };
    agreed_nodes(found, case.record("timesteps")?)
}

/// Returns the nodes if they are the recorded ones.
pub(crate) fn agreed_nodes(
    nodes: Vec<usize>,
    recorded: &Recorded,
) -> Result<Vec<usize>, GoldenError> {
    let recorded = indices(recorded);
    match nodes == recorded {
        true => Ok(nodes),
        false => Err(refused(format!("nodes {nodes:?} instead of {recorded:?}"))),
    }
}

/// A fixed transition.
struct Fixed(Transition);

impl Kernel for Fixed {
    fn transition(&self, _: Level, _: Level) -> Result<Transition, MoveError> {
        Ok(self.0)
    }
}
