//! Methods that combine the estimates of several levels: `x_s = state·x_t + Σ_j past_j·m_j +
//! noise·z`.
//!
//! The probability flow and the reverse SDE are linear but for the estimate `m`, and the linear
//! part is solved exactly. What is left is an integral of `m`, which is replaced by a polynomial
//! through the levels where it is known. Methods differ in three choices, and in nothing else:
//!
//! | method | `m` | polynomial in |
//! |---|---|---|
//! | [`AdamsBashforth`] (LMS) | `ε̂` | `σ/α` |
//! | [`Deis`] (tAB) | `ε̂` | the schedule's time |
//! | [`ExponentialAdamsBashforth`] (DEIS in `λ`) | `ε̂` or `x̂₀` | `λ = ln(α/σ)` |
//! | [`DpmSolverMultistep`] (DPM-Solver, DPM-Solver++, their SDEs) | `ε̂` or `x̂₀` | `λ`, with a midpoint rule at order 2 |
//! | [`UniPcWeights`] (UniPC) | `ε̂` or `x̂₀` | `λ`, corrected by the next evaluation |
//! | [`Ipndm`] | `ε̂` | nothing: the weights of equal steps |
//!
//! All of them are pure functions of levels; [`interpolation`](crate::interpolation) has the integrals of Lagrange's
//! polynomials that they share.

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

/// Which estimate a method interpolates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    /// The clean signal `x̂₀`; the stable choice for guided samples.
    #[default]
    Clean,
    /// The noise `ε̂ = (x − α x̂₀)/σ`.
    Noise,
}

/// How many estimates a method combines, hence how fast its error falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One estimate.
    First,
    /// Two.
    #[default]
    Second,
    /// Three.
    Third,
    /// Four.
    Fourth,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::First, Self::Second, Self::Third, Self::Fourth];

    /// The number.
    #[must_use]
    pub fn get(self) -> usize {
        self as usize + 1
    }
}

/// `x_s = state·x_t + Σ_j past_j·m_j + noise·z`, `z ~ N(0, I)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Combination {
    /// Factor of the present state `x_t`.
    pub state: f64,
    /// Factors of the estimates, latest first.
    pub past: Vec<f64>,
    /// Standard deviation of the fresh noise.
    pub noise: f64,
}

impl Combination {
    /// Itself, if all numbers are finite and the noise is not negative.
    ///
    /// # Errors
    /// [`MoveError::Singular`] names the first that is not.
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

/// A method that evaluates the denoiser once a move and combines the estimates of the last moves.
///
/// Every [`Kernel`] is one that looks at the latest estimate alone.
pub trait Multistep {
    /// The numbers of the move from `visited[0]` to `to`. `visited` are the levels of the known
    /// estimates, latest first, at least one and at most [`lookback`](Self::lookback).
    ///
    /// # Errors
    /// [`MoveError`] where the method has no such move.
    ///
    /// # Panics
    /// If none is known.
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError>;

    /// How many estimates it looks back on, the present one included.
    fn lookback(&self) -> usize {
        1
    }

    /// Which estimate it combines.
    fn variable(&self) -> Variable {
        Variable::Clean
    }

    /// The power of the step length with which the error of the flow falls, or, for a method that
    /// adds noise, that of mean and covariance (the weak order). A chain's first moves have fewer
    /// estimates and a lower order: at pure noise, where chains begin, that costs next to nothing;
    /// further down it limits the whole to order 2.
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

/// `x_s = (α_s/α_t) x_t + α_s Σ_j w_j ε̂_j`, with `w_j = ∫ ℓ_j d(σ/α)`. Singular where nothing is
/// left of the signal.
fn over_ratio(from: Level, to: Level, weights: &[f64]) -> Result<Combination, MoveError> {
    let combination = Combination {
        state: to.alpha() / from.alpha(),
        past: weights.iter().map(|weight| to.alpha() * weight).collect(),
        noise: 0.0,
    };
    combination.checked()
}

/// The nodes that `f` makes of levels, up to the first that is not finite or stands there already.
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
