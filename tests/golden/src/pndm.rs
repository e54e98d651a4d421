//! PNDM, with states recorded after each evaluation.

use crate::case::{Case, File, GoldenError, refused};
use crate::compare::{Comparison, DOUBLE, Outcome};
use crate::model::recorded;
use crate::settings::{chain, indices, spacing};
use crate::trajectory::{moved, open_loop, single_precision};
use serde_json::Value;
use tweedie::burn::tensor::{DType, Tensor};
use tweedie::core::Replay;
use tweedie::math::multistep::{Ipndm, Multistep};
use tweedie::math::{Chain, Level, Move, Prediction, Spacing};
use tweedie::samplers::{History, Pndm, PndmStart};

/// Returns the nodes that the peer visits, one for each evaluation.
pub(crate) fn visited(
    chain: &Chain,
    spacing: Spacing,
    steps: usize,
    start: PndmStart,
) -> Result<Vec<usize>, GoldenError> {
    let nodes = spacing.indices(chain.len(), steps)?;
    if start == PndmStart::ImprovedEuler {
        // The second node is visited twice.
        let again = nodes.get(1).copied().unwrap_or(nodes[0]);
        let head = nodes.iter().take(2).copied();
        return Ok(head
            .chain([again])
            .chain(nodes.iter().skip(2).copied())
            .collect());
    }
    // Each interval between the first four nodes is visited at its start, twice half-way, and at
    // its end.
    let half = chain.len() / steps / 2;
    let mut list = Vec::new();
    for pair in nodes[..4.min(nodes.len())].windows(2) {
        list.extend([pair[0], pair[1] + half, pair[1] + half, pair[1]]);
    }
    list.extend_from_slice(&nodes[3.min(nodes.len())..]);
    Ok(list)
}

pub(crate) fn run(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    // The outputs are recorded.
    case.implied(&["model"]);
    let chain = chain(|key| case.config(key))?;
    let flag = |key: &str| case.config(key).and_then(Value::as_bool) == Some(true);
    let (start, calls) = if flag("skip_prk_steps") {
        (PndmStart::ImprovedEuler, [2].as_slice())
    } else {
        (PndmStart::RungeKutta, [4, 4, 4].as_slice())
    };
    let steps = case.count("num_inference_steps")?;
    let recorded_nodes = indices(file.tensor(case, "timesteps")?);
    let nodes = visited(&chain, spacing(case, "leading")?, steps, start)?;
    if nodes != recorded_nodes {
        return Err(refused(format!(
            "nodes {nodes:?} instead of {recorded_nodes:?}"
        )));
    }
    let last = if flag("set_alpha_to_one") {
        Level::CLEAN
    } else {
        chain.node(0)
    };
    // The peer's moves go down by `stride` nodes, whatever the next node of its list is. The move
    // of an improved Euler start is computed from its second evaluation. A Runge–Kutta move ends at
    // the node of its last evaluation.
    let stride = chain.len() / steps;
    let states = file.tensor(case, "xs")?;
    if case.text("prediction_type") == "v_prediction" {
        return velocities(file, case, &chain, &nodes, last);
    }
    let mut comparison = Comparison::default();
    for dtype in [DType::F64, DType::F32] {
        let model = recorded(file, case, dtype, |_, level| {
            Prediction::Noise.to_clean(level)
        })?;
        let method = Pndm::new(&chain).with_start(start);
        let mut memory = History::default();
        let mut x = states.part(0).tensor::<4>(dtype)?;
        let (mut call, mut calls) = (0, calls.iter());
        while call < nodes.len() {
            let evaluations = *calls.next().unwrap_or(&1);
            let node = match evaluations {
                2 => nodes[call + 1] + stride,
                _ => nodes[call],
            };
            let to = match evaluations {
                4 => Some(nodes[call + 3]),
                _ => node.checked_sub(stride),
            };
            let to = to.map_or(last, |s| chain.node(s));
            let mv = Move {
                from: chain.node(node),
                to,
            };
            let mut nothing = Replay::new(Vec::new());
            (x, _) = moved(&method, &*model, x, mv, &mut nothing, &mut memory)?;
            call += evaluations;
            if dtype == DType::F64 {
                let name = format!("xs[{call}]");
                comparison.tensor(&name, x.clone(), &states.part(call), DOUBLE);
            }
        }
        if dtype == DType::F32 {
            let levels = nodes.iter().map(|&i| chain.node(i));
            let tolerance = open_loop(file, case, levels)?;
            single_precision(file, case, x, tolerance, &mut comparison)?;
        }
    }
    Ok(Outcome::Ran(comparison))
}

/// Replays the peer's runs with velocities.
///
/// The peer extrapolates the velocity where the paper extrapolates the noise. It then reads the
/// result as a noise at the present state (a documented bug, ten times less exact here). With
/// `ε̂ = α v + σ x`, DDIM's move is `(state + w σ) x + α Σ_j w c_j v_j`.
fn velocities(
    file: &File,
    case: &Case,
    chain: &Chain,
    nodes: &[usize],
    last: Level,
) -> Result<Outcome, GoldenError> {
    let (states, outputs) = (
        file.tensor(case, "xs")?,
        file.tensor(case, "model_outputs")?,
    );
    let stride = chain.len() / case.count("num_inference_steps")?;
    let (method, mut comparison) = (Ipndm::default(), Comparison::default());
    let mut known: Vec<Tensor<4>> = Vec::new();
    let v = |call: usize| outputs.part(call).tensor::<4>(DType::F64);
    for call in 0..nodes.len() {
        // The second evaluation repeats the first move, with the mean of two velocities.
        let (node, before) = match call {
            1 => (nodes[1] + stride, 0),
            _ => (nodes[call], call),
        };
        let (from, to) = (chain.node(node), node.checked_sub(stride));
        let to = to.map_or(last, |s| chain.node(s));
        let used = if call == 1 {
            vec![(v(0)? + v(1)?) / 2.0]
        } else {
            known.insert(0, v(call)?);
            known.truncate(method.lookback());
            known.clone()
        };
        let rule = method.combination(&vec![from; used.len()], to)?;
        let weight: f64 = rule.past.iter().sum();
        let x = states.part(before).tensor::<4>(DType::F64)?;
        let start = x * (rule.state + weight * from.sigma());
        let terms = rule.past.iter().zip(used);
        let x = terms.fold(start, |x, (w, v)| x + v * (from.alpha() * w));
        let name = format!("xs[{}]", call + 1);
        comparison.tensor(&name, x, &states.part(call + 1), DOUBLE);
    }
    Ok(Outcome::Ran(comparison))
}
