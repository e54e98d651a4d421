//! Adams–Bashforth in `σ/α`: the linear multistep method of k-diffusion ("LMS").
//!
//! `d(x/α) = ε̂ d(σ/α)`, with `ε̂` a polynomial in `σ/α` through the last levels:
//! `x_s = (α_s/α_t) x_t + α_s Σ_j ε̂_j ∫ ℓ_j d(σ/α)`. It is identical to "ρAB" of DEIS.
//!
//! # Reference
//! Zhang & Chen 2023, eq. 14 (ρAB), arXiv:2204.13902; Liu et al. 2022, "PNDM", for the classical
//! weights, arXiv:2202.09778.

use super::{Combination, Multistep, Order, Variable, distinct_prefix, over_ratio};
use crate::interpolation;
use crate::{Level, MoveError};
use serde::{Deserialize, Serialize};

/// The Adams–Bashforth method on the noise, in `σ/α`.
///
/// The starting level must have some signal, `α > 0`.
///
/// ```
/// use tweedie_math::Level;
/// use tweedie_math::multistep::{AdamsBashforth, Multistep, Order};
///
/// // Equal steps of σ: 3/2 and −1/2 of the step.
/// let [a, b, c] = [1.2, 1.0, 0.8].map(Level::variance_exploding);
/// let step = AdamsBashforth::new(Order::Second).combination(&[b?, a?], c?)?;
/// assert!((step.past[0] + 0.3).abs() < 1e-12 && (step.past[1] - 0.1).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdamsBashforth {
    /// The number of estimates that are combined.
    pub order: Order,
}

impl AdamsBashforth {
    /// Returns the method of `order`.
    #[must_use]
    pub fn new(order: Order) -> Self {
        Self { order }
    }
}

impl Multistep for AdamsBashforth {
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let nodes = distinct_prefix(visited, self.order.get(), Level::noise_to_signal);
        let (a, b) = (visited[0].noise_to_signal(), to.noise_to_signal());
        let weights = interpolation::adams_bashforth(&nodes, a, b);
        over_ratio(visited[0], to, &weights)
    }

    fn lookback(&self) -> usize {
        self.order.get()
    }

    fn variable(&self) -> Variable {
        Variable::Noise
    }

    fn order(&self) -> usize {
        self.order.get()
    }
}
