//! RePaint's way up and down its chain.

use crate::case::{Case, File, GoldenError, refused};
use crate::compare::{Comparison, DOUBLE, Outcome};
use tweedie::math::{Chain, Level, Path, Spacing};

/// `jump_N50_j10_n10`: 50 of 1000 nodes, jumps of 10 moves, 10 times.
pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    if case.get("config").is_some() {
        return Ok(Outcome::skipped(
            "RePaint's replacement is a method for inverse problems, which is not implemented yet",
        ));
    }
    let field = |prefix: char| {
        let fields = case.id.split('_').skip(1);
        let field = fields.filter_map(|field| field.strip_prefix(prefix)).next();
        field.and_then(|value| value.parse::<usize>().ok())
    };
    let (Some(steps), Some(jump), Some(repeats)) = (field('N'), field('j'), field('n')) else {
        return Err(GoldenError::Lacks("an id like jump_N50_j10_n10".into()));
    };
    let chain = Chain::linear(1000, 1e-4, 0.02).map_err(refused)?;
    let spacing = Spacing::Leading { offset: 0 };
    let nodes = spacing.indices(chain.len(), steps).map_err(refused)?;
    let levels: Vec<Level> = nodes.iter().map(|&i| chain.node(i)).collect();
    // The peer walks its first stretch once, and the others again and again.
    let (once, again) = levels.split_at(jump - 1);
    let again = Path::through(again.to_vec()).map_err(refused)?;
    let travel = again.with_time_travel(jump, repeats);
    let visited = once.iter().chain(travel.levels());
    let index = |level: &Level| chain.index(*level).round();
    let mut found: Vec<f64> = Vec::new();
    let stride = (chain.len() / steps) as f64;
    for node in visited.map(index) {
        // The peer goes up node by node; in law that is one move.
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
