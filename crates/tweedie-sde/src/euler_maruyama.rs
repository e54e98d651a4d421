//! The Euler–Maruyama method: `x ← x + f h + g Δw`.
//!
//! Its strong order is ½, or 1 if `g` does not depend on `x`; its weak order is 1.
//!
//! # Reference
//! Maruyama 1955; Kloeden & Platen 1992, section 10.2.

use crate::{BrownianPath, Sde};
use burn::tensor::Tensor;

/// Solves an equation along Brownian paths, from their first to their last time.
///
/// # Panics
/// If the state does not have the shape of the paths.
#[must_use]
pub fn euler_maruyama<const D: usize>(
    sde: &Sde<'_, D>,
    start: Tensor<D>,
    path: &BrownianPath<D>,
) -> Tensor<D> {
    sde.solve(start, path, |x, t, increment| {
        sde.diffusion(x, t) * increment
    })
}
