//! Stochastic differential equations `dx = f(x, t) dt + g(x, t) dw`.
//!
//! The forward process of a schedule is `dx = f x dt + g dw`, and with `t = T − s` its reverse is
//! `dx = [−f x + g² ∇ log p_t(x)] ds + g dw`.
//!
//! # Reference
//! Anderson 1982, "Reverse-time diffusion equation models"; Song et al. 2021, eq. 6,
//! arXiv:2011.13456.

use crate::BrownianPath;
use burn::tensor::Tensor;
use std::rc::Rc;
use tweedie_core::{DenoiseError, Denoiser, DenoiserExt};
use tweedie_math::Schedule;

/// A function of the state and the time.
type Field<'a, const D: usize> = Rc<dyn Fn(Tensor<D>, f64) -> Tensor<D> + 'a>;

/// Drift and diffusion of a process. Each value of the state has its own Brownian motion.
#[derive(Clone)]
pub struct Sde<'a, const D: usize> {
    drift: Field<'a, D>,
    diffusion: Field<'a, D>,
}

impl<const D: usize> std::fmt::Debug for Sde<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sde").finish_non_exhaustive()
    }
}

impl<'a, const D: usize> Sde<'a, D> {
    /// Takes the drift `f(x, t)` and the diffusion `g(x, t)`, in the shape of `x`.
    ///
    /// Each value of `g` may depend on its own value of `x` only.
    pub fn new(
        drift: impl Fn(Tensor<D>, f64) -> Tensor<D> + 'a,
        diffusion: impl Fn(Tensor<D>, f64) -> Tensor<D> + 'a,
    ) -> Self {
        Self {
            drift: Rc::new(drift),
            diffusion: Rc::new(diffusion),
        }
    }

    /// Takes the drift `f(x, t)`, and a diffusion `g(t)` that does not depend on the state.
    pub fn additive(
        drift: impl Fn(Tensor<D>, f64) -> Tensor<D> + 'a,
        diffusion: impl Fn(f64) -> f64 + 'a,
    ) -> Self {
        Self::new(drift, move |x, t| x.ones_like() * diffusion(t))
    }

    /// The forward process of a schedule, for times from 0 to 1.
    pub fn forward(schedule: &'a impl Schedule) -> Self {
        Self::additive(
            |x, t| x * schedule.rates(t).f,
            |t| schedule.rates(t).g2.max(0.0).sqrt(),
        )
    }

    /// The reverse process of a schedule in the time `s = end − t`, from `t = end`. The score is
    /// that of a denoiser, so `t` must stay above 0 where `σ` does not.
    ///
    /// # Panics
    /// The drift panics if the denoiser fails, and if the state does not fit it.
    pub fn reverse(schedule: &'a impl Schedule, denoiser: &'a impl Denoiser<D>, end: f64) -> Self {
        let drift = move |x: Tensor<D>, s: f64| {
            let (rates, level) = (schedule.rates(end - s), schedule.level(end - s));
            let score = denoiser.score(x.clone(), level);
            let score = score.unwrap_or_else(|error: DenoiseError| panic!("the score: {error}"));
            score * rates.g2 - x * rates.f
        };
        Self::additive(drift, move |s| schedule.rates(end - s).g2.max(0.0).sqrt())
    }

    /// Solves the equation along Brownian paths. `noisy(x, t, Δw)` is what a step adds to the
    /// drift.
    pub(crate) fn solve(
        &self,
        start: Tensor<D>,
        path: &BrownianPath<D>,
        noisy: impl Fn(Tensor<D>, f64, Tensor<D>) -> Tensor<D>,
    ) -> Tensor<D> {
        (0..path.steps()).fold(start, |x, i| {
            let t = path.time(i);
            let drift = self.drift(x.clone(), t) * path.step();
            x.clone() + drift + noisy(x, t, path.increment(i))
        })
    }

    /// `f(x, t)`.
    #[must_use]
    pub fn drift(&self, x: Tensor<D>, t: f64) -> Tensor<D> {
        (self.drift)(x, t)
    }

    /// `g(x, t)`.
    #[must_use]
    pub fn diffusion(&self, x: Tensor<D>, t: f64) -> Tensor<D> {
        (self.diffusion)(x, t)
    }
}
