//! Linear equations, by iterations for every sample of a batch.
//!
//! | solver | equations |
//! |---|---|
//! | [`ConjugateGradient`] | `(AᵀA + shift I) x = b`, preconditioned or not; `A⁺ y`; any symmetric and positive definite matrix |
//! | [`Lsqr`] | `A⁺ y` and `(AᵀA + damp²)⁻¹ Aᵀ y`, for ill-conditioned operators |
//! | [`Minres`] | any symmetric matrix |
//! | [`BiCgStab`] | square matrices, symmetric or not, but not skew |
//!
//! All have the same settings: `with_tolerance`, `with_iterations`, `with_early_stop`. All return a
//! [`Solution`] with its residual. [`Linear::solve`](crate::operator::Linear::solve) and
//! [`Linear::pinv`](crate::operator::Linear::pinv) use a closed form where the operator has one,
//! and conjugate gradients otherwise. [`implicit_gradient`] differentiates solutions.

mod bicgstab;
mod conjugate_gradient;
mod implicit;
pub(crate) mod iterations;
mod lsqr;
mod minres;
mod solution;

pub use bicgstab::BiCgStab;
pub use conjugate_gradient::ConjugateGradient;
pub use implicit::implicit_gradient;
pub use lsqr::Lsqr;
pub use minres::Minres;
pub use solution::{Solution, SolveError};
