//! Exponential Adams–Bashforth methods: an exact linear part and a polynomial in `λ = ln(α/σ)`.
//!
//! With `h = λ_s − λ_t` and η the fraction of the reverse SDE's noise (0: the probability flow, 1:
//! the reverse SDE), the estimates `x̂₀` or `ε̂` give
//!
//! * `x̂₀`: `x_s = (σ_s/σ_t) e^{−ηh} x_t + α_s ∫ (1+η) e^{(1+η)(λ−λ_s)} x̂₀ dλ + σ_s √(1 −
//!   e^{−2ηh}) z`
//! * `ε̂`: `x_s = (α_s/α_t) x_t − (1+η) σ_s ∫ e^{λ_s−λ} ε̂ dλ + σ_s √(η (e^{2h} − 1)) z`
//!
//! The method falls back to first order if either end of a move has an infinite `λ` (pure noise or
//! clean data). A move to clean data adds no noise.
//!
//! # Reference
//! Zhang & Chen 2023, "DEIS", arXiv:2204.13902 (ε̂); Lu et al. 2022, "DPM-Solver++", eq. 8 and 15,
//! arXiv:2211.01095 (x̂₀, and the SDE).

use super::{Combination, Multistep, Order, Variable, half_log_snr};
use crate::interpolation::exponential_adams_bashforth;
use crate::{Level, MoveError};
use serde::{Deserialize, Serialize};

/// The exponential Adams–Bashforth method in `λ`.
///
/// ```
/// use tweedie_math::multistep::{ExponentialAdamsBashforth, Multistep, Order, Variable};
/// use tweedie_math::{Ddim, Kernel, Level};
///
/// // With one estimate it is DDIM.
/// let [from, to] = [0.0, 1.0].map(Level::variance_preserving);
/// let method = ExponentialAdamsBashforth::new(Order::First, Variable::Clean);
/// let step = method.combination(&[from], to)?;
/// let ddim = Ddim::deterministic().transition(from, to)?;
/// assert!((step.state - ddim.state).abs() < 1e-12 && (step.past[0] - ddim.clean).abs() < 1e-12);
/// # Ok::<(), tweedie_math::MoveError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExponentialAdamsBashforth {
    /// The number of estimates that are combined.
    pub order: Order,
    /// The estimate that is interpolated.
    pub variable: Variable,
}

impl ExponentialAdamsBashforth {
    /// Returns the method of `order` on the given estimate.
    #[must_use]
    pub fn new(order: Order, variable: Variable) -> Self {
        Self { order, variable }
    }
}

impl Multistep for ExponentialAdamsBashforth {
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let nodes = &visited[..visited.len().min(self.order.get())];
        exponential_move(self.variable, 0.0, nodes, visited[0], to)
    }

    fn lookback(&self) -> usize {
        self.order.get()
    }

    fn variable(&self) -> Variable {
        self.variable
    }

    fn order(&self) -> usize {
        self.order.get()
    }
}

/// Returns the move from `from` to `to` by a polynomial in `λ` through the estimates at `nodes`.
///
/// The first node with an infinite or repeated `λ` is discarded together with all nodes after it.
///
/// # Errors
/// [`MoveError::Singular`] if a coefficient is not finite, [`MoveError::Uphill`] if `eta > 0` and
/// the move adds noise.
pub fn exponential_move(
    variable: Variable,
    eta: f64,
    nodes: &[Level],
    from: Level,
    to: Level,
) -> Result<Combination, MoveError> {
    let (a, b) = (half_log_snr(from), half_log_snr(to));
    let nodes = super::distinct_prefix(nodes, nodes.len(), half_log_snr);
    let first = first_order(variable, eta, from, to)?;
    if !a.is_finite() || !b.is_finite() || nodes.len() < 2 {
        return Ok(first);
    }
    // The weight is e^{λ−λ_s} for the clean signal and e^{λ_s−λ} for the noise: mirrored integrals.
    let (rate, scale) = match variable {
        Variable::Clean => (1.0 + eta, to.alpha()),
        Variable::Noise => (-1.0, (1.0 + eta) * to.sigma()),
    };
    let nodes: Vec<f64> = nodes.iter().map(|node| rate * node).collect();
    let weights = exponential_adams_bashforth(&nodes, rate * a, rate * b);
    let combination = Combination {
        past: weights.iter().map(|weight| scale * weight).collect(),
        ..first
    };
    combination.checked()
}

/// Returns the same move by the midpoint rule, from two estimates.
///
/// The rule evaluates the line through the estimates at the middle of the move. If `m₀` is known at
/// the start of the move, this gives `W (m₀ + (m₀ − m₁)/(2r))` with the first-order weight `W` and
/// `r = (λ₀ − λ₁)/h`. It falls back to first order if the slope of the line is not finite.
///
/// # Errors
/// [`MoveError::Singular`] if a coefficient is not finite, [`MoveError::Uphill`] if `eta > 0` and
/// the move adds noise.
pub fn midpoint_move(
    variable: Variable,
    eta: f64,
    nodes: [Level; 2],
    from: Level,
    to: Level,
) -> Result<Combination, MoveError> {
    let first = first_order(variable, eta, from, to)?;
    let [near, far, a, b] = [nodes[0], nodes[1], from, to].map(half_log_snr);
    let slope = (0.5 * (a + b) - near) / (near - far);
    if !slope.is_finite() {
        return Ok(first);
    }
    let weight = first.past[0];
    let combination = Combination {
        past: vec![weight * (1.0 + slope), -weight * slope],
        ..first
    };
    combination.checked()
}

/// Returns the move with a constant estimate, in a form that is finite at clean data and pure
/// noise.
fn first_order(
    variable: Variable,
    eta: f64,
    from: Level,
    to: Level,
) -> Result<Combination, MoveError> {
    if eta > 0.0 && to.is_noisier_than(from) {
        return Err(MoveError::Uphill);
    }
    let combination = match variable {
        Variable::Clean => {
            // e^{−h}
            let decay = (from.alpha() * to.sigma()) / (to.alpha() * from.sigma());
            let kept = decay.powf(eta);
            let state = to.sigma() / from.sigma() * kept;
            Combination {
                state,
                past: vec![to.alpha() - from.alpha() * state],
                noise: to.sigma() * ((1.0 - kept) * (1.0 + kept)).sqrt(),
            }
        }
        Variable::Noise => {
            // A move to clean data adds no noise.
            let eta = if to.sigma() > 0.0 { eta } else { 0.0 };
            let ratio = to.alpha() / from.alpha();
            let grown = ratio * from.sigma();
            let fresh = eta * (grown - to.sigma()) * (grown + to.sigma());
            Combination {
                state: ratio,
                past: vec![(1.0 + eta) * (to.sigma() - grown)],
                noise: fresh.sqrt(),
            }
        }
    };
    combination.checked()
}
