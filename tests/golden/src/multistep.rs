//! Multistep DPM-Solver and UniPC.

use crate::case::Case;
use crate::compare::SINGLE;
use crate::error::{Done, refused};
use crate::levels::moves;
use crate::model::{clipped, model};
use crate::trajectory::{moved, walk_by};
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

pub(crate) fn dpm_solver(case: &Case) -> Done {
    let moves = moves(case)?;
    let algorithm = case.text_or("config.algorithm_type", "dpmsolver++");
    let (variable, solver) = match algorithm.ends_with("++") {
        true => (Variable::Clean, DpmSolverMultistep::plus_plus(Order::Third)),
        false => (Variable::Noise, DpmSolverMultistep::on_noise(Order::Third)),
    };
    let eta = if algorithm.starts_with("sde") {
        1.0
    } else {
        0.0
    };
    let order = case.number_or("config.solver_order", 2.0) as usize;
    let count = moves.len();
    let few = case.flag("config.lower_order_final", true) && count < 15;
    let order_at = |k: usize| match count - 1 - k {
        0 if few || case.flag("config.euler_at_final", false) => 1,
        1 if few => order.min(2),
        _ => order,
    };
    let peer = Peer {
        solver: solver.with_eta(eta)?,
        variable,
        eta,
        midpoint: case.text_or("config.solver_type", "midpoint") == "midpoint",
        order,
    };
    let memory = RefCell::new(History::default());
    let bounded = |dtype| clipped(case, model(case, dtype)?);
    walk_by(case, &moves, SINGLE, bounded, |model, x, mv, noise, k| {
        if k == 0 {
            memory.take();
        }
        let method = Peer {
            order: order_at(k),
            ..peer
        };
        moved(&method, model, x, mv, noise, &mut memory.borrow_mut())
    })
}

pub(crate) fn uni_pc(case: &Case) -> Done {
    let moves = moves(case)?;
    let order = case.number_or("config.solver_order", 2.0) as usize;
    let rule = match case.text("config.solver_type") {
        "bh1" => UniPcRule::Bh1,
        _ => UniPcRule::Bh2,
    };
    let variable = match case.flag("config.predict_x0", true) {
        true => Variable::Clean,
        false => Variable::Noise,
    };
    let disabled = case.numbers("config.disable_corrector").unwrap_or_default();
    let memory = RefCell::new(Correctable::default());
    let bounded = |dtype| clipped(case, model(case, dtype)?);
    walk_by(case, &moves, SINGLE, bounded, |model, x, mv, noise, k| {
        if k == 0 {
            memory.take();
        }
        // The peer lowers the order towards the end, and its settings name the moves without a
        // corrector.
        let order = Order::ALL.get(order.min(moves.len() - k) - 1).copied();
        let order = order.ok_or_else(|| refused("UniPC of an order above 4"))?;
        let method = UniPc::new(order).with_rule(rule).with_variable(variable);
        let method = match disabled.contains(&(k as f64 - 1.0)) {
            true => method.predicting_only(),
            false => method,
        };
        moved(&method, model, x, mv, noise, &mut memory.borrow_mut())
    })
}
