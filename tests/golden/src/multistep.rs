//! Multistep DPM-Solver and UniPC.

use crate::case::{Case, File, GoldenError, refused};
use crate::compare::{Outcome, SINGLE};
use crate::levels::moves;
use crate::model::{clipped, model};
use crate::trajectory::{moved, walk_by};
use serde_json::Value;
use std::cell::RefCell;
use tweedie::math::exponential_move;
use tweedie::math::multistep::{
    Combination, DpmSolverMultistep, Multistep, Order, UniPcRule, Variable,
};
use tweedie::math::{Level, MoveError};
use tweedie::samplers::{Correctable, History, UniPc};

/// The peer's method for one move, which lowers its order at the end of a path.
struct Peer {
    solver: DpmSolverMultistep,
    variable: Variable,
    eta: f64,
    midpoint: bool,
    order: usize,
}

impl Multistep for Peer {
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let nodes = &visited[..visited.len().min(self.order)];
        match *nodes {
            // "heun": linear extrapolation instead of the midpoint rule.
            [here, _] if !self.midpoint => {
                exponential_move(self.variable, self.eta, nodes, here, to)
            }
            [here, before, first] if to.sigma() > 0.0 => {
                let exact = self.solver.combination(nodes, to)?;
                halved(self.variable, exact, [here, before, first], to).checked()
            }
            _ => self.solver.combination(nodes, to),
        }
    }

    fn lookback(&self) -> usize {
        3
    }

    fn variable(&self) -> Variable {
        self.variable
    }
}

/// The published third order weighs the second divided difference by half of its integral (a
/// documented bug).
fn halved(variable: Variable, exact: Combination, nodes: [Level; 3], to: Level) -> Combination {
    let lambda = |level: Level| 0.5 * level.log_snr();
    let [a, b, c] = nodes.map(lambda);
    let (h, h0, h1) = (lambda(to) - a, a - b, b - c);
    let difference = [
        1.0 / (h0 * (h0 + h1)),
        -1.0 / (h0 * h1),
        1.0 / (h1 * (h0 + h1)),
    ];
    // The integral of (λ − λ_t)² with the method's weight.
    let square = match variable {
        Variable::Clean => to.alpha() * (h * h - 2.0 * h + 2.0 - 2.0 * (-h).exp()),
        Variable::Noise => -to.sigma() * (2.0 * h.exp() - h * h - 2.0 * h - 2.0),
    };
    let past = exact.past.iter().zip(difference);
    Combination {
        past: past.map(|(w, f)| w - 0.5 * square * f).collect(),
        ..exact
    }
}

fn solver_order(case: &Case) -> usize {
    let order = case.config("solver_order").and_then(Value::as_u64);
    order.unwrap_or(2) as usize
}

pub(crate) fn dpm_solver(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let moves = moves(file, case)?;
    let text = |key: &str, default| case.config(key).and_then(Value::as_str).unwrap_or(default);
    let flag = |key: &str, default| case.config(key).and_then(Value::as_bool).unwrap_or(default);
    let algorithm = text("algorithm_type", "dpmsolver++");
    let variable = if algorithm.ends_with("++") {
        Variable::Clean
    } else {
        Variable::Noise
    };
    let eta = if algorithm.starts_with("sde") {
        1.0
    } else {
        0.0
    };
    let solver = match variable {
        Variable::Clean => DpmSolverMultistep::plus_plus(Order::Third),
        Variable::Noise => DpmSolverMultistep::on_noise(Order::Third),
    };
    let solver = solver.with_eta(eta)?;
    let order = solver_order(case);
    let count = moves.len();
    let few = flag("lower_order_final", true) && count < 15;
    let order_at = |k: usize| match count - 1 - k {
        0 if few || flag("euler_at_final", false) => 1,
        1 if few => order.min(2),
        _ => order,
    };
    let memory = RefCell::new(History::default());
    let bounded = |dtype| clipped(case, model(file, case, dtype)?);
    walk_by(
        file,
        case,
        &moves,
        SINGLE,
        bounded,
        |model, x, mv, noise, k| {
            if k == 0 {
                memory.take();
            }
            let method = Peer {
                solver,
                variable,
                eta,
                midpoint: text("solver_type", "midpoint") == "midpoint",
                order: order_at(k),
            };
            moved(&method, model, x, mv, noise, &mut memory.borrow_mut())
        },
    )
}

pub(crate) fn uni_pc(file: &File, case: &Case) -> Result<Outcome, GoldenError> {
    let moves = moves(file, case)?;
    let order = solver_order(case);
    let rule = match case.config("solver_type").and_then(Value::as_str) {
        Some("bh1") => UniPcRule::Bh1,
        _ => UniPcRule::Bh2,
    };
    let variable = match case.config("predict_x0").and_then(Value::as_bool) {
        Some(false) => Variable::Noise,
        _ => Variable::Clean,
    };
    let disabled = case.config("disable_corrector").and_then(Value::as_array);
    let disabled: Vec<u64> = disabled
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect();
    let memory = RefCell::new(Correctable::default());
    let bounded = |dtype| clipped(case, model(file, case, dtype)?);
    walk_by(
        file,
        case,
        &moves,
        SINGLE,
        bounded,
        |model, x, mv, noise, k| {
            if k == 0 {
                memory.take();
            }
            // The peer lowers the order towards the end, and its settings name the moves without a
            // corrector.
            let order = Order::ALL.get(order.min(moves.len() - k) - 1).copied();
            let order = order.ok_or_else(|| refused("UniPC of an order above 4"))?;
            let method = UniPc::new(order).with_rule(rule).with_variable(variable);
            let method = match k.checked_sub(1) {
                Some(before) if disabled.contains(&(before as u64)) => method.predicting_only(),
                _ => method,
            };
            moved(&method, model, x, mv, noise, &mut memory.borrow_mut())
        },
    )
}
