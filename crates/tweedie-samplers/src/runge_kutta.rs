//! Runge–Kutta methods on the probability flow `dx = x̂₀ dα + ε̂ dσ`.
//!
//! The flow from one level to another does not depend on the curve `(α, σ)` between them; along the
//! chord, with `θ` from 0 to 1,
//!
//! `k_i = Δα x̂₀ + Δσ ε̂` at `θ = c_i` and `x_t + Σ_j a_ij k_j`, `x_s = x_t + Σ_i b_i k_i`.
//!
//! For `α = 1` Heun's method is algorithm 1 of EDM; on a variance-preserving path,
//! [`Path::without_scaling`](tweedie_math::Path::without_scaling) makes it so. Euler's method is
//! DDIM. A move to clean data by a method that evaluates a slope at its end is Euler's: there is no
//! noise left to look at.
//!
//! # Reference
//! Karras et al. 2022, algorithm 1, arXiv:2206.00364; Hairer, Nørsett & Wanner 1993, chapter II.

use crate::{State, Step};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, Noise};
use tweedie_math::{Level, Move, Tableau, tableau};

/// A Runge–Kutta method with the steps of the path; see [`Adaptive`](crate::Adaptive) for its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RungeKutta {
    tableau: Tableau,
}

impl RungeKutta {
    /// The method of a tableau.
    #[must_use]
    pub fn new(tableau: Tableau) -> Self {
        Self { tableau }
    }

    /// The explicit midpoint method: order 2, two evaluations a move.
    #[must_use]
    pub fn midpoint() -> Self {
        Self::new(tableau::MIDPOINT)
    }

    /// Heun's method: order 2, two evaluations a move.
    #[must_use]
    pub fn heun() -> Self {
        Self::new(tableau::HEUN)
    }

    /// The classical method: order 4, four evaluations a move.
    #[must_use]
    pub fn rk4() -> Self {
        Self::new(tableau::RK4)
    }

    fn for_move(&self, mv: Move) -> Tableau {
        if mv.to.sigma() == 0.0 && self.tableau.reaches_the_end() {
            return tableau::EULER;
        }
        self.tableau
    }
}

impl<const D: usize> Step<D> for RungeKutta {
    type Memory = ();

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        _: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        let d_alpha = mv.to.alpha() - mv.from.alpha();
        let d_sigma = mv.to.sigma() - mv.from.sigma();
        let slope = |x: Tensor<D>, level: Level| {
            let clean = denoiser.denoise(x.clone(), level);
            // Δα x̂₀ + Δσ (x − α x̂₀)/σ
            let by_x = d_sigma / level.sigma();
            let by_clean = d_alpha - by_x * level.alpha();
            (x * by_x + clean.clone() * by_clean, clean)
        };
        let tableau = self.for_move(mv);
        let (first, clean) = slope(x.clone(), mv.from);
        let mut slopes = vec![first];
        for i in 1..tableau.stages() {
            // A last slope that has no weight is for those who go on from it.
            if tableau.b[i..].iter().all(|&b| b == 0.0) {
                break;
            }
            let stage = advance(x.clone(), tableau.a[i], &slopes);
            slopes.push(slope(stage, mv.chord(tableau.node(i))).0);
        }
        State::new(mv.to, advance(x, tableau.b, &slopes), Some(clean))
    }

    fn supports(&self, mv: Move) -> bool {
        let tableau = self.for_move(mv);
        (0..tableau.stages()).all(|i| mv.chord(tableau.node(i)).sigma() > 0.0)
    }

    fn order(&self) -> usize {
        self.tableau.order
    }
}

/// `x + Σ_i weight_i k_i`.
fn advance<const D: usize>(x: Tensor<D>, weights: &[f64], slopes: &[Tensor<D>]) -> Tensor<D> {
    let terms = weights.iter().zip(slopes).filter(|(w, _)| **w != 0.0);
    terms.fold(x, |x, (&weight, slope)| x + slope.clone() * weight)
}
