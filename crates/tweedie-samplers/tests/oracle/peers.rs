//! Measures known errors of other libraries, on a Gaussian whose flow is known. Their formulas are
//! written out here only.

use crate::order::fitted;
use approx::abs_diff_eq;
use tweedie_math::{Chain, Ddim, Kernel, Level, LevelPath, Spacing, Span, VariancePreserving};

const MEAN: f64 = 2.0;
const STD: f64 = 0.3;

fn denoise(x: f64, level: Level) -> f64 {
    let (alpha, sigma) = (level.alpha(), level.sigma());
    let gain = alpha * STD * STD / ((alpha * STD).powi(2) + sigma * sigma);
    MEAN + gain * (x - alpha * MEAN)
}

/// The exact flow.
fn flow(x: f64, from: Level, to: Level) -> f64 {
    let std = |level: Level| (level.alpha() * STD).hypot(level.sigma());
    to.alpha() * MEAN + (x - from.alpha() * MEAN) * std(to) / std(from)
}

/// azula 0.11.1's `REABSampler` of order 2: the velocity is a line in `u = ln(σ/α)`, with the
/// weight `dφ = e^u/(1 + e^{2u}) du`. Its code multiplies the integral by `√(α_s² + σ_t²)`, where
/// its documentation has `√(α_s² + σ_s²)`.
fn reab(steps: usize, as_written: bool) -> f64 {
    let path = LevelPath::log_snr(VariancePreserving::default(), Span::new(0.6, 0.1), steps);
    let path = path.expect("a path");
    let u = |level: Level| level.noise_to_signal().ln();
    let velocity = |x: f64, level: Level| (level.alpha() * x - denoise(x, level)) / level.sigma();
    let start = 0.7;
    // The first move is exact.
    let mut moves = path.moves();
    let first = moves.next().expect("a move");
    let mut before = (u(first.from), velocity(start, first.from));
    let mut x = flow(start, first.from, first.to);
    for mv in moves {
        let here = (u(mv.from), velocity(x, mv.from));
        let line = |at: f64| here.1 + (at - here.0) * (here.1 - before.1) / (here.0 - before.0);
        // Simpson's rule with 64 intervals.
        let (a, h) = (here.0, (u(mv.to) - here.0) / 64.0);
        let f = |i: usize| {
            let at = a + h * i as f64;
            line(at) / (2.0 * at.cosh())
        };
        let simpson = |i: usize| h / 3.0 * (f(i) + 4.0 * f(i + 1) + f(i + 2));
        let integral: f64 = (0..64).step_by(2).map(simpson).sum();
        let sigma = if as_written {
            mv.from.sigma()
        } else {
            mv.to.sigma()
        };
        x = x * mv.to.rms() / mv.from.rms() + mv.to.alpha().hypot(sigma) * integral;
        before = here;
    }
    (x - flow(start, path.start(), path.end())).abs()
}

#[test]
fn azulas_rosenbrock_method_as_written_is_of_first_order() {
    let order = |as_written| {
        let point = |n: usize| ((n as f64).ln(), reab(n, as_written).ln());
        fitted(&[64, 128, 256, 512, 1024].map(point))
    };
    let (written, corrected) = (order(true), order(false));
    println!("as written {written:.2}, with σ_s {corrected:.2}");
    assert!(abs_diff_eq!(written, 1.0, epsilon = 0.15), "{written}");
    assert!(abs_diff_eq!(corrected, 2.0, epsilon = 0.15), "{corrected}");
}

#[test]
fn a_constant_stride_through_evenly_spaced_nodes_is_another_path() {
    // diffusers' DDIM moves from node t to node t − ⌊T/N⌋, even where the next node of the list
    // differs.
    let chain = Chain::linear(1000, 1e-4, 0.02).expect("a chain");
    let run = |steps: usize, constant: bool| {
        let nodes = Spacing::Linspace.indices(1000, steps).expect("nodes");
        let mut x = 0.7;
        for (k, &node) in nodes.iter().enumerate() {
            let next = match constant {
                true => node.checked_sub(1000 / steps),
                false => nodes.get(k + 1).copied(),
            };
            let (from, to) = (
                chain.node(node),
                next.map_or(Level::CLEAN, |i| chain.node(i)),
            );
            let rule = Ddim::deterministic().transition(from, to).expect("a move");
            x = rule.state * x + rule.clean * denoise(x, from);
        }
        (x - flow(0.7, chain.node(999), Level::CLEAN)).abs()
    };
    for steps in [10, 20, 50, 100] {
        let (peers, ours) = (run(steps, true), run(steps, false));
        println!(
            "{steps} steps: error {peers:.4} with a constant stride, {ours:.4} along the list"
        );
        assert!(peers > ours, "{steps}: {peers}, {ours}");
    }
}
