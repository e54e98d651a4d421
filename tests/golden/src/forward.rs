//! Variance tables, noising and velocity targets of DDPM's chain with its default settings.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, DOUBLE, Outcome};
use crate::settings::{chain, indices};
use serde_json::Value;
use tweedie::burn::tensor::DType;
use tweedie::core::Levels;
use tweedie::math::{Ancestral, Chain, Kernel, Level, PosteriorVariance, Prediction};

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let chain = chain(|key| case.config(key))?;
    if file.holds(case, "x0") {
        return noising(file, case, &chain);
    }
    // The name spells the settings that are not fields: `variance_fixed_small_N50`.
    let spelled = case.id.trim_start_matches("variance_");
    let (kind, steps) = spelled.rsplit_once("_N").unwrap_or((spelled, ""));
    let kind = case
        .get("variance_type")
        .and_then(Value::as_str)
        .unwrap_or(kind);
    let steps = case.count("N").or_else(|_| steps.parse())?;
    let variance = match kind {
        "fixed_small" | "fixed_small_log" => PosteriorVariance::Small,
        "fixed_large" | "fixed_large_log" => PosteriorVariance::Large,
        _ => {
            return Ok(Outcome::skipped(format!(
                "variance {kind} is not implemented yet"
            )));
        }
    };
    let kernel = Ancestral::new(variance)?;
    let stride = chain.len() / steps;
    let mut table = Vec::new();
    for t in indices(file.tensor(case, "t")?) {
        let to = t
            .checked_sub(stride)
            .map_or(Level::CLEAN, |s| chain.node(s));
        let noise = kernel.transition(chain.node(t), to)?.noise;
        // The peer's table has a floor of 1e-20. For the large variance, its entry for the last
        // step is β₀, although that step draws no noise.
        let last = if variance == PosteriorVariance::Large {
            chain.betas()[t]
        } else {
            0.0
        };
        let squared = if to == Level::CLEAN {
            last
        } else {
            noise * noise
        };
        let squared = squared.max(1e-20);
        table.push(match kind {
            "fixed_small_log" => squared.sqrt(),
            "fixed_large_log" => squared.ln(),
            _ => squared,
        });
    }
    let mut comparison = Comparison::default();
    let recorded = &file.tensor(case, "variance")?.values;
    comparison.values("variance", &table, recorded, DOUBLE);
    Ok(Outcome::Ran(comparison))
}

fn noising(file: &File, case: &Case, chain: &Chain) -> Result<Outcome, GoldenError> {
    let clean = file.tensor(case, "x0")?.tensor::<4>(DType::F64)?;
    let noise = file.tensor(case, "noise")?.tensor::<4>(DType::F64)?;
    let nodes = indices(file.tensor(case, "t")?);
    let levels = Levels::new(nodes.into_iter().map(|t| chain.node(t)).collect());
    let noisy = levels.corrupt(clean.clone(), noise);
    let mut comparison = Comparison::default();
    comparison.tensor(
        "add_noise",
        noisy.clone(),
        file.tensor(case, "out")?,
        DOUBLE,
    );
    // The velocity solves `x₀ = skip x + out v`: (x₀ − skip x)/out.
    let row = |level: Level| Prediction::Velocity.to_clean(level);
    let skip = levels.column(&clean, |level| row(level).skip);
    let out = levels.column(&clean, |level| row(level).out);
    let velocity = (clean - noisy * skip) / out;
    comparison.tensor(
        "get_velocity",
        velocity,
        file.shared("get_velocity/out")?,
        DOUBLE,
    );
    Ok(Outcome::Ran(comparison))
}
