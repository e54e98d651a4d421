//! Heun's method on the probability flow `dx = x̂₀ dα + ε̂ dσ`.
//!
//! The flow from one level to another does not depend on the curve `(α, σ)` between them; along the
//! chord, Heun's method is
//!
//! * `x′ = x + Δα x̂₀ + Δσ ε̂`, which is DDIM,
//! * `x_s = x + ½ Δα (x̂₀ + x̂₀′) + ½ Δσ (ε̂ + ε̂′)`,
//!
//! and for `α = 1` it is algorithm 1 of EDM. A move to clean data is Euler's: there is no noise left
//! to evaluate. Second order, two evaluations a move.
//!
//! # Reference
//! Karras et al. 2022, algorithm 1, arXiv:2206.00364.

use crate::{State, Step};
use burn::tensor::Tensor;
use tweedie_core::{Denoiser, Noise};
use tweedie_math::{Level, Move};

/// Heun's method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heun;

impl<const D: usize> Step<D> for Heun {
    type Memory = ();

    fn step(
        &self,
        denoiser: &dyn Denoiser<D>,
        x: Tensor<D>,
        mv: Move,
        _: &mut dyn Noise<D>,
        (): &mut (),
    ) -> State<D> {
        let (d_alpha, d_sigma) = (
            mv.to.alpha() - mv.from.alpha(),
            mv.to.sigma() - mv.from.sigma(),
        );
        let slope = |x: Tensor<D>, level: Level| {
            let clean = denoiser.denoise(x.clone(), level);
            let noise = (x - clean.clone() * level.alpha()) / level.sigma();
            (clean.clone() * d_alpha + noise * d_sigma, clean)
        };
        let (first, clean) = slope(x.clone(), mv.from);
        let predicted = x.clone() + first.clone();
        let x = if mv.to.sigma() == 0.0 {
            predicted
        } else {
            let (second, _) = slope(predicted, mv.to);
            x + (first + second) * 0.5
        };
        State {
            level: mv.to,
            x,
            clean: Some(clean),
        }
    }

    fn supports(&self, mv: Move) -> bool {
        mv.from.sigma() > 0.0
    }
}
