//! Whole runs of a peer's sampler, with its recorded noise.

use crate::case::{Case, File, GoldenError, Recorded, refused};
use crate::compare::{Comparison, DOUBLE, Outcome, SINGLE};
use crate::levels::moves;
use crate::model::{clipped, model};
use crate::settings::{chain, indices, spacing};
use crate::{churn, multistep, pndm};
use serde_json::Value;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{DenoiseError, Posterior, Replay};
use tweedie::math::{
    Ancestral, Ddim, Kernel, Level, LevelPath, Move, MoveError, PosteriorVariance, Transition,
};
use tweedie::prelude::{Denoiser, Noise, RungeKutta, Step};
use tweedie::samplers::{History, LearnedAncestral, StepContext};

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    if case.get("finite").and_then(Value::as_bool) == Some(false) {
        return Ok(Outcome::skipped(format!(
            "the peer is not finite: {}",
            case.text("note")
        )));
    }
    // It is a copy of `prediction_type`.
    case.implied(&["config.prediction_type"]);
    let levels = case.text("model_kind");
    if !["vp", "ve", "vps", "edm", "flow"].contains(&levels) {
        return Err(GoldenError::Lacks(format!("a known model_kind: {levels}")));
    }
    let class = case.text("cls").trim_end_matches("Scheduler");
    match class {
        "DDPM" => ddpm(file, case),
        "DDIM" => ddim(file, case),
        "HeunDiscrete" => heun(file, case),
        "EulerDiscrete" | "EDMEuler" if kwarg(case, "s_churn").is_some() => churn::run(file, case),
        "EulerDiscrete" | "EDMEuler" => by_sigmas(file, case, Ddim::deterministic()),
        "EulerAncestralDiscrete" => by_sigmas(file, case, Ddim::ancestral()),
        // All noise is fresh: η is large enough to reach its upper bound.
        "FlowMatchEulerDiscrete" if case.config("stochastic_sampling").is_some() => {
            by_sigmas(file, case, Ddim::new(1e9)?)
        }
        "FlowMatchEulerDiscrete" => by_sigmas(file, case, Ddim::deterministic()),
        "DPMSolverMultistep" => multistep::dpm_solver(file, case),
        "UniPCMultistep" => multistep::uni_pc(file, case),
        "PNDM" => pndm::run(file, case),
        _ => Ok(Outcome::skipped(format!("{class} is not implemented yet"))),
    }
}

/// The state and the clean estimate after a move.
pub(crate) type Moved = Result<(Tensor<4>, Option<Tensor<4>>), GoldenError>;

/// Runs the moves in both precisions and compares every state and estimate.
pub(crate) fn walk(
    file: &File,
    case: &Case,
    moves: &[Move],
    step: impl Fn(&dyn Denoiser<4>, Tensor<4>, Move, &mut dyn Noise<4>, usize) -> Moved,
) -> Result<Outcome, GoldenError> {
    walk_by(
        file,
        case,
        moves,
        SINGLE,
        |dtype| model(file, case, dtype),
        step,
    )
}

/// Like `walk`, with another denoiser and another tolerance in `f32`.
pub(crate) fn walk_by(
    file: &File,
    case: &Case,
    moves: &[Move],
    single: f64,
    model: impl Fn(DType) -> Result<Box<dyn Denoiser<4>>, GoldenError>,
    step: impl Fn(&dyn Denoiser<4>, Tensor<4>, Move, &mut dyn Noise<4>, usize) -> Moved,
) -> Result<Outcome, GoldenError> {
    let states = file.tensor(case, "xs")?;
    let estimates = file.tensor(case, "pred_original_sample").ok();
    let mut comparison = Comparison::default();
    for (dtype, tolerance) in [(DType::F64, DOUBLE), (DType::F32, single)] {
        let draws = file
            .tensor(case, "noises")
            .map(Recorded::parts)
            .unwrap_or_default();
        let draws = draws
            .iter()
            .map(|z| z.tensor(dtype))
            .collect::<Result<_, _>>()?;
        let mut noise = Replay::new(draws);
        let model = model(dtype)?;
        let mut x = states.part(0).tensor::<4>(dtype)?;
        for (k, &mv) in moves.iter().enumerate() {
            let (next, clean) = step(&*model, x, mv, &mut noise, k)?;
            x = next;
            if dtype == DType::F64 {
                let state = states.part(k + 1);
                comparison.tensor(&format!("xs[{}]", k + 1), x.clone(), &state, tolerance);
                if let (Some(clean), Some(estimates)) = (clean, estimates) {
                    let name = format!("pred_original_sample[{k}]");
                    comparison.tensor(&name, clean, &estimates.part(k), tolerance);
                }
            }
        }
        if dtype == DType::F32 {
            single_precision(file, case, x, single, &mut comparison)?;
        }
    }
    Ok(Outcome::Ran(comparison))
}

/// Compares the end of a run in `f32` with the recorded run in `f64`. Also compares it with the
/// peer's run in `f32`, up to the recorded rounding error of the peer.
pub(crate) fn single_precision(
    file: &File,
    case: &Case,
    x: Tensor<4>,
    tolerance: f64,
    comparison: &mut Comparison,
) -> Result<(), GoldenError> {
    let states = file.tensor(case, "xs")?;
    let last = states.part(states.shape[0] - 1);
    comparison.tensor("the last state in f32", x.clone(), &last, tolerance);
    let peers = tolerance + case.number("f32_vs_f64_max_abs").unwrap_or(0.0);
    comparison.tensor("x_final_f32", x, file.tensor(case, "x_final_f32")?, peers);
    Ok(())
}

/// Returns the tolerance in `f32` of a run with recorded outputs.
///
/// Recorded outputs do not depend on the state, so nothing contracts the rounding errors of the
/// first states: they grow with `1/α` until the end.
pub(crate) fn open_loop(
    file: &File,
    case: &Case,
    levels: impl Iterator<Item = Level>,
) -> Result<f64, GoldenError> {
    let states = file.tensor(case, "xs")?.parts();
    let size = |state: &Recorded| {
        state
            .values
            .iter()
            .fold(0.0_f64, |most, x| most.max(x.abs()))
    };
    let grown = states
        .iter()
        .zip(levels)
        .map(|(state, level)| size(state) / level.alpha());
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
    let state = step.step(x, mv, &mut StepContext::new(model, noise), memory)?;
    Ok((state.x, state.clean))
}

fn ddpm(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let chain = chain(|key| case.config(key))?;
    let nodes = visited(file, case)?.into_iter().map(|i| chain.node(i));
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
    let variance = case.config("variance_type").and_then(Value::as_str);
    let variance = match variance.unwrap_or("fixed_small") {
        "fixed_small" | "fixed_small_log" => PosteriorVariance::Small,
        "fixed_large" => PosteriorVariance::Large,
        "learned_range" => return learned(file, case, &moves),
        other => {
            return Ok(Outcome::skipped(format!(
                "variance {other} is not implemented yet"
            )));
        }
    };
    walk(file, case, &moves, |model, x, mv, noise, k| {
        let transition = Ancestral::new(variance)?.transition(mv.from, mv.to)?;
        by_kernel(&Fixed(floored(transition, k)), model, x, mv, noise)
    })
}

/// Replays DDPM with a learned variance. The second half of the recorded channels holds, for every
/// value, the position of its log-variance between β̃ (−1) and β (1).
fn learned(file: &File, case: &Case, moves: &[Move]) -> Result<Outcome, GoldenError> {
    let outputs = file.tensor(case, "model_outputs")?.parts();
    walk(file, case, moves, |model, x, mv, noise, k| {
        let channels = x.dims()[1];
        let output = outputs[k].tensor::<4>(x.dtype())?;
        let place = output.narrow(1, channels, channels);
        let learned = Learned {
            model,
            interpolation: (place + 1.0) * 0.5,
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
        Ok(Posterior {
            clean: self.denoise(x, level)?,
            interpolation: Some(self.interpolation.clone()),
        })
    }
}

fn ddim(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let chain = chain(|key| case.config(key))?;
    let nodes = visited(file, case)?;
    let to_one = case.config("set_alpha_to_one").and_then(Value::as_bool) != Some(false);
    let last = if to_one { Level::CLEAN } else { chain.node(0) };
    // The peer's previous node is t − ⌊T/N⌋, which is not always the next node of its list.
    let stride = chain.len() / nodes.len();
    let to = |t: usize| t.checked_sub(stride).map_or(last, |s| chain.node(s));
    let moves: Vec<Move> = nodes
        .iter()
        .map(|&t| Move {
            from: chain.node(t),
            to: to(t),
        })
        .collect();
    let kernel = Ddim::new(kwarg(case, "eta").and_then(Value::as_f64).unwrap_or(0.0))?;
    let consistent = kwarg(case, "use_clipped_model_output").and_then(Value::as_bool) == Some(true);
    walk(file, case, &moves, |model, x, mv, noise, _| {
        if consistent {
            let bounded = clipped(case, Box::new(model))?;
            return by_kernel(&kernel, &*bounded, x, mv, noise);
        }
        // The peer moves with the noise of the unclipped estimate; only α_s x̂₀ is clipped.
        let (moved, clean) = by_kernel(&kernel, model, x, mv, noise)?;
        let clean = clean.ok_or_else(|| refused("a kernel gives its estimate"))?;
        let estimate = clean.clone();
        let constant = tweedie::core::from_fn(move |_: Tensor<4>, _| estimate.clone());
        let bounded = clipped(case, Box::new(constant))?.denoise(moved.clone(), mv.from)?;
        let x = moved + (bounded.clone() - clean) * mv.to.alpha();
        Ok((x, Some(bounded)))
    })
}

fn heun(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    // All states except the first and last are recorded twice, once for each evaluation.
    let moves = moves(file, case)?;
    let states = file.tensor(case, "xs")?;
    let evaluations = states.shape[0] - 1;
    let mut comparison = Comparison::default();
    for (dtype, tolerance) in [(DType::F64, DOUBLE), (DType::F32, SINGLE)] {
        let model = clipped(case, model(file, case, dtype)?)?;
        let mut x = states.part(0).tensor::<4>(dtype)?;
        for (k, &mv) in moves.iter().enumerate() {
            let mut nothing = Replay::new(Vec::new());
            (x, _) = moved(&RungeKutta::heun(), &*model, x, mv, &mut nothing, &mut ())?;
            let place = (2 * (k + 1)).min(evaluations);
            if dtype == DType::F64 {
                let name = format!("xs[{place}]");
                comparison.tensor(&name, x.clone(), &states.part(place), tolerance);
            }
        }
        if dtype == DType::F32 {
            single_precision(file, case, x, SINGLE, &mut comparison)?;
        }
    }
    Ok(Outcome::Ran(comparison))
}

/// Runs through the noise levels of the configuration.
fn by_sigmas(file: &File, case: &Case, kernel: Ddim) -> Result<Outcome, GoldenError> {
    walk(file, case, &moves(file, case)?, |model, x, mv, noise, _| {
        by_kernel(&kernel, model, x, mv, noise)
    })
}

/// Returns the nodes of a run. With a spacing they come from the library and must agree with the
/// recorded ones; otherwise they are the recorded list.
fn visited(file: &File, case: &Case) -> Result<Vec<usize>, GoldenError> {
    let recorded = indices(file.tensor(case, "timesteps")?);
    let Ok(steps) = case.count("num_inference_steps") else {
        let given = case.get("set_timesteps_kwargs");
        let given = given.and_then(|given| given["timesteps"].as_array());
        let given = given.into_iter().flatten().filter_map(Value::as_u64);
        let given: Vec<usize> = given.map(|t| t as usize).collect();
        return match given == recorded {
            true => Ok(given),
            false => Err(refused(format!("nodes {given:?} instead of {recorded:?}"))),
        };
    };
    let nodes = chain(|key| case.config(key))?.len();
    let found = spacing(case, "leading")?.indices(nodes, steps)?;
    if found != recorded {
        return Err(refused(format!("nodes {found:?} instead of {recorded:?}")));
    }
    Ok(found)
}

pub(crate) fn kwarg<'a>(case: &'a Case, key: &str) -> Option<&'a Value> {
    case.get("step_kwargs")?.get(key)
}

/// A fixed transition.
struct Fixed(Transition);

impl Kernel for Fixed {
    fn transition(&self, _: Level, _: Level) -> Result<Transition, MoveError> {
        Ok(self.0)
    }
}
