//! Multistep DPM-Solver and DPM-Solver++, for the probability flow and for SDEs.
//!
//! The methods correspond to k-diffusion's "DPM++ 2M" (η = 0), "2M SDE" and "3M SDE" (η = 1). Two
//! estimates are combined by the midpoint rule, three or four by a polynomial in `λ`.
//!
//! The published third-order method (official code, k-diffusion, diffusers) weights the second
//! divided difference by half of its integral. Its measured order is 2: on the exact Gaussian flow
//! its error falls as n^−2.0, and the error of this implementation as n^−3.0
//! (`tests/oracle/order.rs` of `tweedie-samplers`).
//!
//! The SDE solver has weak order 2 with two estimates and with three: the mean and variance of a
//! Gaussian, computed without sampling, converge as n^−2.0 in both cases (same file). A third
//! estimate reduces the error but does not raise the order.
//!
//! # Reference
//! Lu et al. 2022, "DPM-Solver++", algorithm 2 and appendix (SDE), arXiv:2211.01095; Lu et al.
//! 2022, "DPM-Solver", arXiv:2206.00927.

use super::exponential::{exponential_move, midpoint_move};
use super::{Combination, Multistep, Order, Variable};
use crate::{Level, MoveError, ParameterError};
use serde::{Deserialize, Serialize};

/// The multistep DPM-Solver++ (on `x̂₀`) or DPM-Solver (on `ε̂`), with one evaluation per move.
///
/// ```
/// use tweedie_math::multistep::{DpmSolverMultistep, Multistep, Order};
/// use tweedie_math::Level;
///
/// let solver = DpmSolverMultistep::plus_plus(Order::Second);
/// let levels = [0.6_f64, 0.9].map(|sigma| Level::variance_exploding(sigma));
/// let [here, before] = [levels[0].clone()?, levels[1].clone()?];
/// let step = solver.combination(&[here, before], Level::variance_exploding(0.4)?)?;
/// assert!((step.state + step.past[0] + step.past[1] - 1.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct DpmSolverMultistep {
    /// The number of estimates that are combined.
    pub order: Order,
    /// The estimate that is interpolated.
    pub variable: Variable,
    eta: f64,
}

#[derive(Deserialize)]
struct Raw {
    order: Order,
    variable: Variable,
    eta: f64,
}

impl TryFrom<Raw> for DpmSolverMultistep {
    type Error = ParameterError;

    fn try_from(raw: Raw) -> Result<Self, ParameterError> {
        let Raw {
            order,
            variable,
            eta,
        } = raw;
        let flow = Self {
            order,
            variable,
            eta: 0.0,
        };
        flow.with_eta(eta)
    }
}

impl DpmSolverMultistep {
    /// Returns DPM-Solver++, which interpolates the clean signal.
    #[must_use]
    pub fn plus_plus(order: Order) -> Self {
        Self {
            order,
            variable: Variable::Clean,
            eta: 0.0,
        }
    }

    /// Returns DPM-Solver, which interpolates the noise.
    #[must_use]
    pub fn on_noise(order: Order) -> Self {
        Self {
            variable: Variable::Noise,
            ..Self::plus_plus(order)
        }
    }

    /// Returns the method with fresh noise; η = 1 is the reverse SDE ("SDE-DPM-Solver++", "2M
    /// SDE").
    ///
    /// Here η is the fraction of the reverse SDE's `g²`. The η of [`Ddim`](crate::Ddim) scales a
    /// standard deviation.
    ///
    /// # Errors
    /// [`ParameterError`] unless η is finite and at least 0.
    pub fn with_eta(self, eta: f64) -> Result<Self, ParameterError> {
        let eta = ParameterError::require_non_negative("η", eta)?;
        Ok(Self { eta, ..self })
    }

    /// Returns the method for the reverse SDE: η = 1.
    #[must_use]
    pub fn sde(self) -> Self {
        Self { eta: 1.0, ..self }
    }
}

impl Multistep for DpmSolverMultistep {
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let nodes = &visited[..visited.len().min(self.order.get())];
        match *nodes {
            [here, before] => midpoint_move(self.variable, self.eta, [here, before], here, to),
            _ => exponential_move(self.variable, self.eta, nodes, visited[0], to),
        }
    }

    fn lookback(&self) -> usize {
        self.order.get()
    }

    fn variable(&self) -> Variable {
        self.variable
    }

    fn order(&self) -> usize {
        // A polynomial through past levels cannot resolve the noise within a move.
        let most = if self.eta == 0.0 { 4 } else { 2 };
        self.order.get().min(most)
    }
}
