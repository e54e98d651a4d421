//! SK-ROCK: Langevin dynamics of the posterior, by a stabilised Runge–Kutta–Chebyshev method.
//!
//! The score is that of [`PnpUla`](super::PnpUla), `s(x) = ∇ log p(y | x) + (D(x) − x)/σ²`. With
//! `n` evaluations in a step, the step size may grow as `n²` instead of `n`:
//!
//! * `k₀ = x`, `k₁ = x + μ₁ δ s(x + ν₁ ξ) + κ₁ ξ` with `ξ ~ N(0, 2δ I)`;
//! * `k_j = μ_j δ s(k_{j−1}) + ν_j k_{j−1} + κ_j k_{j−2}`, up to `k_n`, the next state.
//!
//! The coefficients come from Chebyshev polynomials `T_j` at `ω₀ = 1 + η/n²`, with the damping
//! η = 0.05 and `ω₁ = T_n(ω₀)/T_n′(ω₀)`.
//!
//! # Reference
//! Pereyra, Vargas Mieles & Zygalakis 2020, "Accelerating Proximal Markov Chain Monte Carlo by
//! Using an Explicit Stabilized Method", algorithm 1, arXiv:1908.08845; Abdulle, Almuslimani &
//! Vilmart 2018.

use super::pnp_ula::score;
use crate::measurement::Likelihood;
use burn::tensor::Tensor;
use tweedie_core::InputError;
use tweedie_math::{Level, Move, ParameterError};
use tweedie_samplers::{State, Step, StepContext, StepError};

/// The damping η, which widens the stability region.
const DAMPING: f64 = 0.05;

/// SK-ROCK for any likelihood and any denoiser: one step of several stages per move.
#[derive(Clone, Debug)]
pub struct SkRock<L> {
    likelihood: L,
    stages: usize,
    fraction: f64,
    curvature: f64,
}

impl<L> SkRock<L> {
    /// Creates the method with 10 stages and half of the largest stable step.
    ///
    /// `curvature` is the largest eigenvalue of `−∇² log p(y | x)`: `‖A‖²/σ_y²` for a linear
    /// operator with Gaussian noise.
    ///
    /// # Errors
    /// [`ParameterError`] unless `curvature` is finite and at least 0.
    pub fn new(likelihood: L, curvature: f64) -> Result<Self, ParameterError> {
        Ok(Self {
            likelihood,
            stages: 10,
            fraction: 0.5,
            curvature: ParameterError::require_non_negative("the curvature", curvature)?,
        })
    }

    /// Sets the number of stages, each of one evaluation.
    ///
    /// # Errors
    /// [`ParameterError`] if `stages` is below 2.
    pub fn with_stages(self, stages: usize) -> Result<Self, ParameterError> {
        let (name, value) = ("the number of stages", stages as f64);
        ParameterError::require(stages > 1, name, "at least 2", value)?;
        Ok(Self { stages, ..self })
    }

    /// Sets the step size as a fraction of the largest stable one. Smaller steps have less bias.
    ///
    /// # Errors
    /// [`ParameterError`] unless `fraction` is above 0 and at most 1.
    pub fn with_fraction(self, fraction: f64) -> Result<Self, ParameterError> {
        let legal = fraction > 0.0 && fraction <= 1.0;
        let expected = "above 0 and at most 1";
        let fraction = ParameterError::require(legal, "the step's fraction", expected, fraction)?;
        Ok(Self { fraction, ..self })
    }

    /// The step size δ at a level, with the prior's curvature bounded by `α²/σ²`.
    #[must_use]
    pub fn step_size(&self, level: Level) -> f64 {
        let n = self.stages as f64;
        let stable = (n - 0.5).powi(2) * (2.0 - 4.0 / 3.0 * DAMPING) - 1.5;
        self.fraction * stable / (self.curvature + level.snr())
    }

    /// `T_j(ω₀)` for `j` up to the number of stages, and `T_n(ω₀)/T_n′(ω₀)`.
    fn chebyshev(&self) -> (Vec<f64>, f64) {
        let n = self.stages;
        let omega = 1.0 + DAMPING / (n as f64).powi(2);
        let (mut t, mut d) = (vec![1.0, omega], vec![0.0, 1.0]);
        for j in 2..=n {
            d.push(2.0 * t[j - 1] + 2.0 * omega * d[j - 1] - d[j - 2]);
            t.push(2.0 * omega * t[j - 1] - t[j - 2]);
        }
        let ratio = t[n] / d[n];
        (t, ratio)
    }
}

impl<const D: usize, L: Likelihood<D>> Step<D> for SkRock<L> {
    type Memory = ();

    fn step(
        &self,
        x: Tensor<D>,
        mv: Move,
        context: &mut StepContext<'_, D>,
        (): &mut (),
    ) -> Result<State<D>, StepError> {
        let (level, delta) = (mv.from, self.step_size(mv.from));
        let mut last = None;
        let mut score = |x: Tensor<D>| -> Result<Tensor<D>, StepError> {
            let (score, clean) = score(&self.likelihood, context.denoiser, x, level)?;
            last = Some(clean);
            Ok(score)
        };
        let (t, ratio) = self.chebyshev();
        let n = self.stages as f64;
        let fresh = context.noise.normal_like(&x) * (2.0 * delta).sqrt();
        let ahead = x.clone() + fresh.clone() * (0.5 * n * ratio);
        let first = x.clone() + score(ahead)? * (ratio / t[1] * delta);
        let (mut before, mut here) = (x, first + fresh * (n * ratio / t[1]));
        for j in 2..=self.stages {
            let mu = 2.0 * ratio * t[j - 1] / t[j];
            let nu = 2.0 * t[1] * t[j - 1] / t[j];
            let slope = score(here.clone())? * (mu * delta);
            let next = slope + here.clone() * nu - before * (t[j - 2] / t[j]);
            (before, here) = (here, next);
        }
        Ok(State::new(mv.to, here, last))
    }

    fn check(&self, mv: Move) -> Result<(), StepError> {
        mv.require_staying()?;
        mv.from.require_signal()?;
        Ok(mv.from.require_noise()?)
    }

    fn accepts(&self, shape: [usize; D]) -> Result<(), InputError> {
        self.likelihood.accepts(shape)
    }
}
