//! iPNDM: DDIM's move with the noise extrapolated by the Adams–Bashforth weights of equal steps.
//!
//! `x_s = (α_s/α_t) x_t + (σ_s − α_s σ_t/α_t) Σ_j c_j ε̂_j` with the weights `3/2, −1/2`;
//! `23, −16, 5` over 12; `55, −59, 37, −9` over 24. The weights assume that the steps are equal in
//! time and in `σ/α`. Therefore two estimates reach order 2, and more do not raise the order.
//!
//! # Reference
//! Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models on Manifolds", eq. 9 and 12,
//! arXiv:2202.09778; Zhang & Chen 2023, appendix H (without Runge–Kutta start), arXiv:2204.13902.

use super::{Combination, Multistep, Order, Variable};
use crate::{Level, MoveError};
use serde::{Deserialize, Serialize};

/// The Adams–Bashforth weights of equal steps, latest first.
const EQUAL_STEPS: [&[f64]; 4] = [
    &[1.0],
    &[3.0 / 2.0, -1.0 / 2.0],
    &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
    &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
];

/// The iPNDM method, which uses fewer estimates in the first moves of a chain.
///
/// ```
/// use tweedie_math::Level;
/// use tweedie_math::multistep::{Ipndm, Multistep, Order};
///
/// let [a, b, c] = [1.2, 1.0, 0.8].map(Level::variance_exploding);
/// let step = Ipndm::new(Order::Second).combination(&[b?, a?], c?)?;
/// assert!((step.past[0] + 0.3).abs() < 1e-12 && (step.past[1] - 0.1).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipndm {
    /// The number of estimates that are combined.
    pub order: Order,
}

impl Ipndm {
    /// Returns the method with the given number of estimates.
    #[must_use]
    pub fn new(order: Order) -> Self {
        Self { order }
    }
}

impl Default for Ipndm {
    /// Four estimates, as published.
    fn default() -> Self {
        Self::new(Order::Fourth)
    }
}

impl Multistep for Ipndm {
    fn combination(&self, visited: &[Level], to: Level) -> Result<Combination, MoveError> {
        let count = visited.len().min(self.order.get());
        let state = to.alpha() / visited[0].alpha();
        let weight = to.sigma() - state * visited[0].sigma();
        let combination = Combination {
            state,
            past: EQUAL_STEPS[count - 1].iter().map(|c| weight * c).collect(),
            noise: 0.0,
        };
        combination.checked()
    }

    fn lookback(&self) -> usize {
        self.order.get()
    }

    fn variable(&self) -> Variable {
        Variable::Noise
    }

    fn order(&self) -> usize {
        self.order.get().min(2)
    }
}
