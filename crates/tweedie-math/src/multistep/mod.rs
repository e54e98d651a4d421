//! Multistep methods: `x_s = state·x_t + Σ_j past_j·m_j + noise·z`.
//!
//! The probability flow and the reverse SDE are linear apart from the estimate `m`. The linear part
//! is solved exactly. In the remaining integral, `m` is replaced by a polynomial through its values
//! at the last levels. The methods differ only in the estimate, the polynomial and its variable:
//!
//! | method | `m` | polynomial in |
//! |---|---|---|
//! | [`AdamsBashforth`] (LMS) | `ε̂` | `σ/α` |
//! | [`Deis`] (tAB) | `ε̂` | the schedule's time |
//! | [`ExponentialAdamsBashforth`] (DEIS in `λ`) | `ε̂` or `x̂₀` | `λ = ln(α/σ)` |
//! | [`DpmSolverMultistep`] (DPM-Solver, DPM-Solver++, their SDEs) | `ε̂` or `x̂₀` | `λ`, with a midpoint rule at order 2 |
//! | [`UniPcWeights`] (UniPC) | `ε̂` or `x̂₀` | `λ`, corrected by the next evaluation |
//! | [`Ipndm`] | `ε̂` | none: the weights of equal steps |
//!
//! All methods are pure functions of levels. They share the integrals of Lagrange polynomials in
//! [`interpolation`](crate::interpolation).

mod adams_bashforth;
mod deis;
mod dpm_solver;
pub(crate) mod exponential;
mod ipndm;
mod uni_pc;

use crate::transition::singular;
use crate::{Kernel, Level, MoveError, Transition};
use serde::{Deserialize, Serialize};

pub use adams_bashforth::AdamsBashforth;
pub use deis::Deis;
pub use dpm_solver::DpmSolverMultistep;
pub use exponential::ExponentialAdamsBashforth;
pub use ipndm::Ipndm;
pub use uni_pc::{UniPcRule, UniPcWeights};

/// The estimate that a method interpolates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    /// The clean signal `x̂₀`, which is the stable choice for guided sampling.
    #[default]
    Clean,
    /// The noise `ε̂ = (x − α x̂₀)/σ`.
    Noise,
}

/// The number of estimates that a method combines, which determines its order of convergence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One estimate.
    First,
    /// Two estimates.
    #[default]
    Second,
    /// Three estimates.
    Third,
    /// Four estimates.
    Fourth,
}

impl Order {
    /// All orders, ascending.
    pub const ALL: [Self; 4] = [Self::First, Self::Second, Self::Third, Self::Fourth];

    /// Returns the number of estimates, 1 to 4.
    #[must_use]
    pub fn get(self) -> usize {
        self as usize + 1
    }
}

/// A multistep move `x_s = state·x_t + Σ_j past_j·m_j + noise·z` with `z ~ N(0, I)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Combination {
    /// Factor of the current state `x_t`.
    pub state: f64,
    /// Factors of the estimates, latest first.
    pub past: Vec<f64>,
    /// Standard deviation of the fresh noise.
    pub noise: f64,
}

impl Combination {
    /// Returns `self` if all numbers are finite and the noise is not negative.
    ///
    /// # Errors
    /// [`MoveError::Singular`] with the first invalid coefficient.
    pub fn checked(self) -> Result<Self, MoveError> {
        let rest = Transition {
            state: self.state,
            clean: 0.0,
            noise: self.noise,
        };
        rest.checked()?;
        for &weight in &self.past {
            singular(weight.is_finite(), "an estimate", weight)?;
        }
        Ok(self)
    }
}

/// A method that evaluates the denoiser once per move and combines the last estimates.
///
/// Every [`Kernel`] is a multistep method that uses only the latest estimate.
pub trait Multistep {
    /// Returns the coefficients of the move from `visited[0]` to `to`.
    ///
    /// `visited` are the levels of the known estimates, latest first: at least one and at most
    /// [`lookback`](Self::lookback).
    ///
    /// # Errors
    /// [`MoveError`] if the method does not support the move.
    ///
    /// # Panics
    /// If `visited` is empty.
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError>;

    /// The maximum number of estimates that the method combines, including the latest.
    fn lookback(&self) -> usize {
        1
    }

    /// The estimate that the method combines.
    fn variable(&self) -> Variable {
        Variable::Clean
    }

    /// The order of convergence: the power of the step length with which the error decreases.
    ///
    /// For a method that adds noise this is the weak order, the order of the mean and the
    /// covariance. The first moves of a chain have fewer estimates and a lower order. If the chain
    /// starts at pure noise, their errors are negligible; if it starts at less noise, they limit
    /// the whole chain to order 2.
    fn order(&self) -> usize {
        1
    }
}

impl<K: Kernel> Multistep for K {
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let Transition {
            state,
            clean,
            noise,
        } = self.transition(visited[0], to)?;
        Ok(Combination {
            state,
            past: vec![clean],
            noise,
        })
    }
}

/// `λ = ln(α/σ)`, half the log-SNR.
fn half_log_snr(level: Level) -> f64 {
    0.5 * level.log_snr()
}

/// Returns `x_s = (α_s/α_t) x_t + α_s Σ_j w_j ε̂_j` with `w_j = ∫ ℓ_j d(σ/α)`; singular at
/// `α_t = 0`.
fn over_ratio(from: Level, to: Level, weights: &[f64]) -> Result<Combination, MoveError> {
    let combination = Combination {
        state: to.alpha() / from.alpha(),
        past: weights.iter().map(|weight| to.alpha() * weight).collect(),
        noise: 0.0,
    };
    combination.checked()
}

/// Returns `f` of the levels, up to the first value that is not finite or repeats an earlier one.
fn distinct_prefix(visited: &[Level], most: usize, f: impl Fn(Level) -> f64) -> Vec<f64> {
    let mut nodes = Vec::new();
    for &level in visited.iter().take(most) {
        let node = f(level);
        if !node.is_finite() || nodes.contains(&node) {
            break;
        }
        nodes.push(node);
    }
    nodes
}
