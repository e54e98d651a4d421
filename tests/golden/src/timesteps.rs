//! The nodes of a chain that a sampler visits.

use crate::case::Case;
use crate::compare::DOUBLE;
use crate::error::{Done, skip};
use crate::pndm;
use crate::settings::{chain, spacing};
use tweedie::math::Spacing;
use tweedie::samplers::PndmStart;

pub(crate) fn run(case: &Case) -> Done {
    let nodes = chain(case)?.len();
    let steps = case.count("N")?;
    let spacing = spacing(case, "leading")?;
    let class = case.text("cls").trim_end_matches("Scheduler");
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
                return skip(
                    "the peer visits a node twice: it spaces one step more than the chain has",
                );
            }
            // These peers space one more step and drop the last node.
            _ => spacing.indices(nodes, steps + 1).map(|mut indices| {
                indices.pop();
                whole(indices)
            }),
        },
        "PNDM" => {
            let start = match case.flag("config.skip_prk_steps", false) {
                true => PndmStart::ImprovedEuler,
                false => PndmStart::RungeKutta,
            };
            Ok(whole(pndm::visited(&chain(case)?, spacing, steps, start)?))
        }
        _ => return skip(format!("{class} is not implemented yet")),
    };
    let found = found?;
    // Nodes between those of the chain are recorded in f32.
    let tolerance = match found.iter().all(|t| t.fract() == 0.0) {
        true => DOUBLE,
        false => f64::from(f32::EPSILON),
    };
    case.check_values("timesteps", &found, tolerance)
}
