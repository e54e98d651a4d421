//! Runge–Kutta methods on the probability flow `dx = x̂₀ dα + ε̂ dσ`.
//!
//! The flow between two levels does not depend on the curve `(α, σ)` between them. Along the chord,
//! with `θ` from 0 to 1,
//!
//! `k_i = Δα x̂₀ + Δσ ε̂` at `θ = c_i` and `x_t + Σ_j a_ij k_j`, `x_s = x_t + Σ_i b_i k_i`.
//!
//! All of these are linear combinations of `x_t` and the stages' estimates. The host computes the
//! coefficients, so that a stage costs one tensor pass per term.
//!
//! With `α = 1`, Heun's method is algorithm 1 of EDM. For a variance-preserving path,
//! [`LevelPath::without_scaling`](tweedie_math::LevelPath::without_scaling) gives `α = 1`. Euler's
//! method is DDIM.
//!
//! At clean data the slope does not exist. For a move to clean data, a method that evaluates a
//! slope at the end of the move therefore falls back to Euler's method.
//!
//! # Reference
//! Karras et al. 2022, algorithm 1, arXiv:2206.00364; Hairer, Nørsett & Wanner 1993, chapter II.

use crate::history::sum;
use crate::{Convergence, State, Step, StepContext, StepError};
use burn::tensor::Tensor;
use tweedie_math::{Move, ParameterError, Tableau, tableau};

/// A Runge–Kutta method with the path's steps; [`Adaptive`](crate::Adaptive) chooses its own.
///
/// ```
/// use tweedie_math::{LevelPath, Span, VariancePreserving};
/// use tweedie_samplers::{RungeKutta, Sampler};
///
/// let path = LevelPath::karras(VariancePreserving::default(), Span::default(), 18, 7.0)?;
/// let sampler = Sampler::new(RungeKutta::heun(), path.then_clean().without_scaling()?);
/// # Ok::<(), tweedie_math::PathError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RungeKutta {
    tableau: Tableau,
}

impl RungeKutta {
    /// Creates the method of a tableau.
    ///
    /// # Errors
    /// As [`Tableau::check`].
    pub fn new(tableau: Tableau) -> Result<Self, ParameterError> {
        tableau.check()?;
        Ok(Self { tableau })
    }

    /// The explicit midpoint method: order 2, two evaluations per move.
    #[must_use]
    pub fn midpoint() -> Self {
        Self {
            tableau: tableau::MIDPOINT,
        }
    }

    /// Heun's method: order 2, two evaluations per move.
    #[must_use]
    pub fn heun() -> Self {
        Self {
            tableau: tableau::HEUN,
        }
    }

    /// The classical method RK4: order 4, four evaluations per move.
    #[must_use]
    pub fn rk4() -> Self {
        Self {
            tableau: tableau::RK4,
        }
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
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let d_alpha = mv.to.alpha() - mv.from.alpha();
        let d_sigma = mv.to.sigma() - mv.from.sigma();
        let tableau = self.for_move(mv);
        // Slopes and states are coefficients of x_t and of the estimates x̂₀ of the stages so far.
        let mut estimates: Vec<Tensor<D>> = Vec::new();
        let mut slopes: Vec<Vec<f64>> = Vec::new();
        let state_at = |weights: &[f64], slopes: &[Vec<f64>]| {
            let mut state = vec![0.0; slopes.len() + 1];
            state[0] = 1.0;
            for (weight, slope) in weights.iter().zip(slopes) {
                let sums = state.iter_mut().zip(slope);
                sums.for_each(|(sum, part)| *sum += weight * part);
            }
            state
        };
        let tensor = |state: &[f64], x: Tensor<D>, estimates: &[Tensor<D>]| {
            sum(x, state[0], state[1..].iter().copied().zip(estimates))
        };
        for i in 0..tableau.stages() {
            // Skip final stages of weight 0, which only error estimates and FSAL methods need.
            if tableau.b[i..].iter().all(|&b| b == 0.0) {
                break;
            }
            let level = mv.chord(tableau.node(i));
            let state = state_at(tableau.a[i], &slopes);
            let stage = tensor(&state, x.clone(), &estimates);
            estimates.push(context.denoise(stage, level)?);
            // Δα x̂₀ + Δσ (x − α x̂₀)/σ
            let by_x = d_sigma / level.sigma();
            let mut slope: Vec<f64> = state.iter().map(|part| by_x * part).collect();
            slope.push(d_alpha - by_x * level.alpha());
            slopes.push(slope);
        }
        let x = tensor(&state_at(tableau.b, &slopes), x, &estimates);
        Ok(State::new(mv.to, x, estimates.into_iter().next()))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        let tableau = self.for_move(mv);
        for i in 0..tableau.stages() {
            mv.chord(tableau.node(i)).require_noise()?;
        }
        Ok(())
    }
}

impl Convergence for RungeKutta {
    fn order(&self) -> usize {
        self.tableau.order
    }
}
