//! Milstein's method: `x ← x + f h + g Δw + ½ g g′ (Δw² − h)`.
//!
//! Its strong order is 1. `g′` comes from automatic differentiation. Where `g` does not depend on
//! `x`, the method is that of Euler and Maruyama.
//!
//! # Reference
//! Milstein 1975; Kloeden & Platen 1992, section 10.3.

use crate::{BrownianPath, Sde};
use burn::tensor::Tensor;
use tweedie_core::vjp;

/// Solves an equation along Brownian paths, from their first to their last time.
///
/// # Panics
/// If the state does not have the shape of the paths.
#[must_use]
pub fn milstein<const D: usize>(
    sde: &Sde<'_, D>,
    start: Tensor<D>,
    path: &BrownianPath<D>,
) -> Tensor<D> {
    sde.solve(start, path, |x, t, increment| {
        let (diffusion, pullback) = vjp(x, |x| sde.diffusion(x, t));
        // Each value of g depends on its own value of x: the gradient of the sum is g′.
        let slope = pullback.apply(diffusion.ones_like());
        let square = increment.clone().square() - path.step();
        diffusion.clone() * increment + diffusion * slope * square * 0.5
    })
}
