//! Linear equations with an operator: `(AᵀA + shift I) x = b` and `A x = y` in the least squares.
//!
//! [`Linear::solve`](crate::operator::Linear::solve) and
//! [`Linear::pinv`](crate::operator::Linear::pinv) use a closed form where the operator has one,
//! and [`ConjugateGradient`] otherwise.

pub(crate) mod conjugate_gradient;
mod solution;

pub use conjugate_gradient::ConjugateGradient;
pub use solution::{Solution, SolveError};
