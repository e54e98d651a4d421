//! RePaint: its path up and down the chain, and its replacement step.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::{Done, GoldenError, lacks};
use crate::model::{clipped_late, of_images};
use crate::settings::{chain, gaussian};
use crate::trajectory::check_state;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::{Advance, DenoiseError, Replay};
use tweedie::inverse::measurement::Measurement;
use tweedie::inverse::noise::GaussianNoise;
use tweedie::inverse::operator::Mask;
use tweedie::inverse::posterior::RePaint;
use tweedie::math::{Ddim, Kernel, Level, LevelPath, Move, Spacing};
use tweedie::ops::Constant;
use tweedie::prelude::{State, Step};
use tweedie::samplers::{StepContext, StepError};

/// Runs a case: so many nodes of a chain, with jumps of so many moves, so many times.
pub(crate) fn run(case: &Case) -> Done {
    if case.has("config") {
        return replacement(case);
    }
    let number = |key, prefix| case.spelled(key, prefix).map(|number| number as usize);
    let (steps, jump) = (number("N", "N")?, number("jump_length", "j")?);
    let repeats = number("jump_n_sample", "n")?;
    let chain = chain(case)?;
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
    case.check_values("timesteps", &found, DOUBLE)
}

/// Compares every step down of a run, each from the recorded state before it. The steps up are left
/// out: on a respaced chain the peer adds noise with the wrong β, `β[t..t+n]` instead of
/// `β[t−n+1..=t]`.
fn replacement(case: &Case) -> Done {
    // The kinds of the moves are recorded.
    case.implied(&["jump_length", "jump_n_sample"]);
    let chain = chain(case)?;
    let stride = chain.len() / case.count("N")?;
    let states = case.parts("xs", DType::F64)?;
    let draws = case.parts("noises", DType::F64)?;
    let times = &case.record("timesteps")?.values;
    let kinds = case.get("kinds").and_then(|kinds| kinds.as_array());
    let kinds = kinds.ok_or_else(|| lacks("kinds of the moves"))?;
    let used = case.numbers("noise_used_at_step")?;
    // One mask for all channels.
    let mask = case.record("mask")?;
    let shape = case.record("xs")?.part(0).shape;
    let parts = mask.parts().into_iter();
    let known: Vec<f64> = parts
        .flat_map(|part| part.values.repeat(shape[1]))
        .collect();
    let shape = [mask.shape[0], shape[1], shape[2], shape[3]];
    let mask = Mask::try_from(Constant::new(known, shape))?;
    let model = of_images(gaussian(case, &shape)?);
    let kernel = Ddim::new(case.number_or("config.eta", 0.0))?;
    // RePaint assumes a measurement without noise.
    let noise = GaussianNoise::new(1e-3)?;
    let measured = Measurement::new(mask, noise, case.tensor("original_image")?);
    let step = RePaint::new(RawNoise { kernel, case }, measured);
    for (k, kind) in kinds.iter().enumerate() {
        if kind.as_str() != Some("step") {
            continue;
        }
        let node = times[k] as usize;
        let to = node
            .checked_sub(stride)
            .map_or(Level::CLEAN, |to| chain.node(to));
        let mv = Move {
            from: chain.node(node),
            to,
        };
        let place = used.iter().position(|step| (*step - k as f64).abs() < 0.5);
        let z: &Tensor<4> = &draws[place.ok_or_else(|| lacks("noise of a move"))?];
        // The peer uses one draw for both the known and the unknown pixels.
        let mut noise = Replay::new(vec![z.clone(), z.clone()]);
        let mut context = StepContext::new(&model, &mut noise);
        let state = step.step(states[k].clone(), mv, &mut context, &mut ())?;
        check_state(case, k + 1, &state.x)?;
    }
    Ok(())
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
        let step = self.kernel.transition(mv.from, mv.to)?;
        let moved = step.advance(mv, x, raw.clone(), context.noise);
        let failed = |error: GoldenError| DenoiseError::Failed(error.to_string());
        let (x, clean) = clipped_late(self.case, (moved, raw), (mv.from, mv.to)).map_err(failed)?;
        Ok(State::new(mv.to, x, Some(clean)))
    }
}
