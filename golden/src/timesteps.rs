//! Which nodes of a chain a sampler visits.

use crate::case::{Case, File, GoldenError, refused};
use crate::compare::{Comparison, DOUBLE, Outcome};
use crate::settings::{chain, spacing};
use tweedie::math::Spacing;

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let nodes = chain(|key| case.config(key))?.len();
    let steps = case.count("N")?;
    let spacing = spacing(case, "leading")?;
    let class = case.text("cls").trim_end_matches("Scheduler");
    let recorded = file.tensor(case, "timesteps")?;
    let found = match (class, spacing) {
        ("DDPM" | "DDIM", _) => spacing.indices(nodes, steps),
        (
            "EulerDiscrete" | "EulerAncestralDiscrete",
            Spacing::Leading { .. } | Spacing::Trailing,
        ) => spacing.indices(nodes, steps),
        // Each node but the first is visited twice.
        ("HeunDiscrete", Spacing::Leading { .. } | Spacing::Trailing) => {
            let twice = |indices: Vec<usize>| {
                let pairs = indices.into_iter().flat_map(|index| [index, index]);
                pairs.skip(1).collect()
            };
            spacing.indices(nodes, steps).map(twice)
        }
        ("DPMSolverMultistep" | "UniPCMultistep", Spacing::Trailing) => {
            spacing.indices(nodes, steps)
        }
        // These peers space one step more and drop the last.
        ("DPMSolverMultistep" | "UniPCMultistep", _) if steps < nodes => {
            let drop_last = |mut indices: Vec<usize>| {
                indices.pop();
                indices
            };
            spacing.indices(nodes, steps + 1).map(drop_last)
        }
        ("DPMSolverMultistep" | "UniPCMultistep", _) => {
            return Ok(Outcome::skipped(
                "the peer repeats nodes: more steps than the chain has",
            ));
        }
        ("EulerDiscrete" | "EulerAncestralDiscrete" | "HeunDiscrete", Spacing::Linspace) => {
            return Ok(Outcome::skipped("nodes at fractional indices"));
        }
        _ => return Ok(Outcome::skipped(format!("{class} is not implemented yet"))),
    };
    let found: Vec<f64> = found
        .map_err(refused)?
        .into_iter()
        .map(|i| i as f64)
        .collect();
    let mut comparison = Comparison::default();
    comparison.values("timesteps", &found, &recorded.values, DOUBLE);
    Ok(Outcome::Ran(comparison))
}
