//! PNDM, with states recorded after each evaluation.

use crate::case::Case;
use crate::error::{Done, GoldenError};
use crate::model::recorded;
use crate::settings::{chain, spacing};
use crate::trajectory::{agreed_nodes, check_state, moved, open_loop, single_precision};
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
        let (head, tail) = nodes.split_at(2.min(steps));
        return Ok([head, &head[head.len() - 1..], tail].concat());
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

pub(crate) fn run(case: &Case) -> Done {
    // The outputs are recorded.
    case.implied(&["model"]);
    let chain = chain(case)?;
    let (start, calls) = match case.flag("config.skip_prk_steps", false) {
        true => (PndmStart::ImprovedEuler, [2].as_slice()),
        false => (PndmStart::RungeKutta, [4, 4, 4].as_slice()),
    };
    let steps = case.count("num_inference_steps")?;
    let nodes = visited(&chain, spacing(case, "leading")?, steps, start)?;
    let nodes = agreed_nodes(nodes, case.record("timesteps")?)?;
    let last = match case.flag("config.set_alpha_to_one", false) {
        true => Level::CLEAN,
        false => chain.node(0),
    };
    // The peer's moves go down by `stride` nodes, whatever the next node of its list is. The move
    // of an improved Euler start is computed from its second evaluation. A Runge–Kutta move ends at
    // the node of its last evaluation.
    let stride = chain.len() / steps;
    if case.text("prediction_type") == "v_prediction" {
        return velocities(case, &chain, &nodes, last);
    }
    for dtype in [DType::F64, DType::F32] {
        let model = recorded(case, dtype, |_, level| Prediction::Noise.to_clean(level))?;
        let method = Pndm::new(&chain).with_start(start);
        let mut memory = History::default();
        let mut x = case.record("xs")?.part(0).tensor::<4>(dtype)?;
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
            x = moved(&method, &*model, x, mv, &mut nothing, &mut memory)?.x;
            call += evaluations;
            if dtype == DType::F64 {
                check_state(case, call, &x)?;
            }
        }
        if dtype == DType::F32 {
            let levels = nodes.iter().map(|&i| chain.node(i));
            single_precision(case, x, open_loop(case, levels)?)?;
        }
    }
    Ok(())
}

/// Replays the peer's runs with velocities.
///
/// The peer extrapolates the velocity where the paper extrapolates the noise. It then reads the
/// result as a noise at the present state (a documented bug, ten times less exact here). With
/// `ε̂ = α v + σ x`, DDIM's move is `(state + w σ) x + α Σ_j w c_j v_j`.
fn velocities(case: &Case, chain: &Chain, nodes: &[usize], last: Level) -> Done {
    let (states, outputs) = (case.record("xs")?, case.record("model_outputs")?);
    let stride = chain.len() / case.count("num_inference_steps")?;
    let method = Ipndm::default();
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
        check_state(case, call + 1, &x)?;
    }
    Ok(())
}
