//! RePaint: its path up and down the chain, and its replacement step.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, DOUBLE, Outcome};
use crate::model::clipped;
use crate::settings::{chain, gaussian};
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{Advance, DenoiseError, Replay, from_fn};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Mask;
use tweedie::inverse::posterior::RePaint;
use tweedie::math::{Ddim, Kernel, Level, LevelPath, Move, Spacing};
use tweedie::ops::Constant;
use tweedie::prelude::{Denoiser, State, Step};
use tweedie::samplers::{StepContext, StepError};

/// Runs a case: so many nodes of a chain, with jumps of so many moves, so many times.
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    if case.get("config").is_some() {
        return replacement(file, case);
    }
    let number = |key, prefix| case.spelled(key, prefix).map(|number| number as usize);
    let (steps, jump) = (number("N", "N")?, number("jump_length", "j")?);
    let repeats = number("jump_n_sample", "n")?;
    let chain = chain(|key| file.setting(case, &format!("config.{key}")))?;
    let spacing = Spacing::Leading { offset: 0 };
    let nodes = spacing.indices(chain.len(), steps)?;
    let levels: Vec<Level> = nodes.iter().map(|&i| chain.node(i)).collect();
    // The peer passes the first nodes once, up to a multiple of the jump, and repeats the rest.
    let (once, again) = levels.split_at((steps - 1) % jump);
    let again = LevelPath::through(again.to_vec())?;
    let travel = again.with_time_travel(jump, repeats);
    let visited = once.iter().chain(travel.levels());
    let index = |level: &Level| chain.index(*level).round();
    let mut found: Vec<f64> = Vec::new();
    let stride = (chain.len() / steps) as f64;
    for node in visited.map(index) {
        // The peer goes up node by node, which has the same distribution as one move.
        while let Some(&last) = found.last()
            && node > last + stride
        {
            found.push(last + stride);
        }
        found.push(node);
    }
    let mut comparison = Comparison::default();
    let recorded = file.tensor(case, "timesteps")?;
    comparison.values("timesteps", &found, &recorded.values, DOUBLE);
    Ok(Outcome::Ran(comparison))
}

/// Compares every step down of a run, each from the recorded state before it. The steps up are left
/// out: on a respaced chain the peer adds noise with the wrong β, `β[t..t+n]` instead of
/// `β[t−n+1..=t]`.
fn replacement(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    // The kinds of the moves are recorded.
    case.implied(&["jump_length", "jump_n_sample"]);
    let lacks = |name: &str| GoldenError::Lacks(format!("{name} of the case"));
    let config = |name: &str| case.config(name).and_then(serde_json::Value::as_f64);
    let chain = chain(|key| case.config(key))?;
    let stride = chain.len() / case.count("N")?;
    let states = file.tensor(case, "xs")?.parts();
    let draws = file.tensor(case, "noises")?.parts();
    let times = &file.tensor(case, "timesteps")?.values;
    let kinds = case.get("kinds").and_then(|kinds| kinds.as_array());
    let kinds = kinds.ok_or_else(|| lacks("kinds"))?;
    let used = case.numbers("noise_used_at_step")?;
    let mask = file.tensor(case, "mask")?;
    let [_, channels, h, w] = states[0].tensor::<4>(DType::F64)?.dims();
    let parts = mask.parts().into_iter();
    let known: Vec<f64> = parts
        .flat_map(|part| part.values.repeat(channels))
        .collect();
    let shape = [mask.shape[0], channels, h, w];
    let mask = Mask::try_from(Constant::new(known, shape))?;
    let original: Tensor<4> = file.tensor(case, "original_image")?.tensor(DType::F64)?;
    let prior = gaussian(file, &states[0].tensor::<4>(DType::F64)?.dims())?;
    let model = from_fn(move |x: Tensor<4>, level: Level| {
        let shape = x.dims();
        prior
            .posterior_mean(x.reshape([shape[0] as i32, -1]), level)
            .reshape(shape)
    });
    let moves = RawNoise {
        kernel: Ddim::new(config("eta").unwrap_or(0.0))?,
        case,
    };
    // RePaint assumes a measurement without noise.
    let noise = GaussianNoise::new(1e-3)?;
    let step = RePaint::new(moves, Measurement::new(mask, noise, original));
    let mut comparison = Comparison::default();
    for (k, kind) in kinds.iter().enumerate() {
        if kind.as_str() != Some("step") {
            continue;
        }
        let from = times[k] as usize;
        let to = match from.checked_sub(stride) {
            Some(node) => chain.node(node),
            None => Level::CLEAN,
        };
        let mv = Move {
            from: chain.node(from),
            to,
        };
        let place = used.iter().position(|step| *step == k as f64);
        let z: Tensor<4> = draws[place.ok_or_else(|| lacks("noise"))?].tensor(DType::F64)?;
        // The peer uses one draw for both the known and the unknown pixels.
        let mut noise = Replay::new(vec![z.clone(), z]);
        let x = states[k].tensor::<4>(DType::F64)?;
        let mut context = StepContext::new(&model, &mut noise);
        let state = step.step(x, mv, &mut context, &mut ())?;
        let name = format!("xs[{}]", k + 1);
        comparison.tensor(&name, state.x, &states[k + 1], DOUBLE);
    }
    Ok(Outcome::Ran(comparison))
}

/// The peer moves with the noise of the unclipped estimate; only `α_s x̂₀` is clipped.
struct RawNoise<'a> {
    kernel: Ddim,
    case: &'a Case,
}

impl Step<4> for RawNoise<'_> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<4>,
        mv: Move,
        context: &mut StepContext<'_, 4>,
        (): &mut (),
    ) -> Result<State<4>, StepError> {
        let raw = context.denoise(x.clone(), mv.from)?;
        let constant = from_fn({
            let raw = raw.clone();
            move |_: Tensor<4>, _| raw.clone()
        });
        let failed = |error: GoldenError| DenoiseError::Failed(error.to_string());
        let clipped = clipped(self.case, Box::new(constant)).map_err(failed)?;
        let clean = clipped.denoise(x.clone(), mv.from)?;
        let step = self.kernel.transition(mv.from, mv.to)?;
        let moved = step.advance(mv, x, raw.clone(), context.noise);
        let moved = moved + (clean.clone() - raw) * mv.to.alpha();
        Ok(State::new(mv.to, moved, Some(clean)))
    }
}
