//! Variance tables, noising and velocity targets of DDPM's chain with its default settings.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::{Done, skip};
use crate::settings::{chain, indices};
use tweedie::core::Levels;
use tweedie::math::{Ancestral, Chain, Kernel, Level, PosteriorVariance, Prediction};

pub(crate) fn run(case: &Case) -> Done {
    let chain = chain(case)?;
    if case.has_record("x0") {
        return noising(case, &chain);
    }
    // The name spells the settings that are not fields: `variance_fixed_small_N50`.
    let spelled = case.id.trim_start_matches("variance_");
    let (kind, steps) = spelled.rsplit_once("_N").unwrap_or((spelled, ""));
    let kind = case.text_or_spelled("variance_type", kind);
    let steps = steps.parse().or_else(|_| case.count("N"))?;
    let variance = match kind {
        "fixed_small" | "fixed_small_log" => PosteriorVariance::Small,
        "fixed_large" | "fixed_large_log" => PosteriorVariance::Large,
        _ => return skip(format!("variance {kind} is not implemented yet")),
    };
    let kernel = Ancestral::new(variance)?;
    let stride = chain.len() / steps;
    let mut table = Vec::new();
    for t in indices(case.record("t")?) {
        let to = t
            .checked_sub(stride)
            .map_or(Level::CLEAN, |s| chain.node(s));
        // The peer's table has a floor of 1e-20. For the large variance, its entry for the last
        // step is β₀, although that step draws no noise.
        let entry = match (to == Level::CLEAN, variance) {
            (true, PosteriorVariance::Large) => chain.betas()[t],
            (true, _) => 0.0,
            (false, _) => kernel.transition(chain.node(t), to)?.noise.powi(2),
        };
        let entry = entry.max(1e-20);
        table.push(match kind {
            "fixed_small_log" => entry.sqrt(),
            "fixed_large_log" => entry.ln(),
            _ => entry,
        });
    }
    case.check_values("variance", &table, DOUBLE)
}

fn noising(case: &Case, chain: &Chain) -> Done {
    let (clean, noise) = (case.tensor::<4>("x0")?, case.tensor("noise")?);
    let nodes = indices(case.record("t")?);
    let levels = Levels::new(nodes.into_iter().map(|t| chain.node(t)).collect());
    let noisy = levels.corrupt(clean.clone(), noise);
    case.check("out", noisy.clone(), DOUBLE)?;
    // The velocity solves `x₀ = skip x + out v`: (x₀ − skip x)/out.
    let row = |level: Level| Prediction::Velocity.to_clean(level);
    let skip = levels.column(&clean, |level| row(level).skip);
    let out = levels.column(&clean, |level| row(level).out);
    case.check("get_velocity/out", (clean - noisy * skip) / out, DOUBLE)
}
