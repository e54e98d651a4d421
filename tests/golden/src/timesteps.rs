//! The nodes of a chain that a sampler visits.

use crate::case::{Case, File, GoldenError};
use crate::compare::{Comparison, DOUBLE, Outcome};
use crate::pndm;
use crate::settings::{chain, spacing};
use serde_json::Value;
use tweedie::math::Spacing;
use tweedie::samplers::PndmStart;

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let nodes = chain(|key| case.config(key))?.len();
    let steps = case.count("N")?;
    let spacing = spacing(case, "leading")?;
    let class = case.text("cls").trim_end_matches("Scheduler");
    let recorded = file.tensor(case, "timesteps")?;
    let whole = |indices: Vec<usize>| indices.into_iter().map(|i| i as f64).collect();
    let twice = |nodes: Vec<f64>| {
        let pairs = nodes.into_iter().flat_map(|node| [node, node]);
        pairs.skip(1).collect()
    };
    // Some peers round the evenly spaced nodes, others do not.
    let positions = || match spacing {
        Spacing::Linspace => spacing.positions(nodes, steps),
        _ => spacing.indices(nodes, steps).map(whole),
    };
    let found = match class {
        "DDPM" | "DDIM" => spacing.indices(nodes, steps).map(whole),
        "EulerDiscrete" | "EulerAncestralDiscrete" => positions(),
        // Each node except the first is visited twice.
        "HeunDiscrete" => positions().map(twice),
        "DPMSolverMultistep" | "UniPCMultistep" => match spacing {
            Spacing::Trailing => spacing.indices(nodes, steps).map(whole),
            _ if steps == nodes => {
                return Ok(Outcome::skipped(
                    "the peer visits a node twice: it spaces one step more than the chain has",
                ));
            }
            // These peers space one more step and drop the last node.
            _ => spacing.indices(nodes, steps + 1).map(|mut indices| {
                indices.pop();
                whole(indices)
            }),
        },
        "PNDM" => {
            let flag = case.config("skip_prk_steps").and_then(Value::as_bool);
            let start = match flag {
                Some(true) => PndmStart::ImprovedEuler,
                _ => PndmStart::RungeKutta,
            };
            let chain = chain(|key| case.config(key))?;
            Ok(whole(pndm::visited(&chain, spacing, steps, start)?))
        }
        _ => return Ok(Outcome::skipped(format!("{class} is not implemented yet"))),
    };
    let found = found?;
    let mut comparison = Comparison::default();
    // Nodes between those of the chain are recorded in f32.
    let tolerance = if found.iter().all(|t| t.fract() == 0.0) {
        DOUBLE
    } else {
        f64::from(f32::EPSILON)
    };
    comparison.values("timesteps", &found, &recorded.values, tolerance);
    Ok(Outcome::Ran(comparison))
}
