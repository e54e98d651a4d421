//! What was measured of a signal.

mod downsample;
mod mask;

use burn::tensor::Tensor;

pub use downsample::Downsample;
pub use mask::Mask;

/// A map from signals `[batch, …]` to measurements `[batch, …]`, one sample at a time.
pub trait Operator<const D: usize> {
    /// `A x`.
    fn apply(&self, x: Tensor<D>) -> Tensor<D>;
}

/// A linear operator with its exact adjoint.
pub trait Linear<const D: usize>: Operator<D> {
    /// `Aᵀ y`, exact: `⟨A x, y⟩ = ⟨x, Aᵀ y⟩`.
    fn adjoint(&self, y: Tensor<D>) -> Tensor<D>;

    /// `(AᵀA + shift I)⁻¹ b` for `shift > 0`.
    fn solve(&self, b: Tensor<D>, shift: f64) -> Tensor<D>;

    /// `A⁺ y`, the least-squares solution of least norm.
    fn pinv(&self, y: Tensor<D>) -> Tensor<D>;
}

impl<const D: usize, A: Operator<D> + ?Sized> Operator<D> for &A {
    fn apply(&self, x: Tensor<D>) -> Tensor<D> {
        (**self).apply(x)
    }
}

impl<const D: usize, A: Linear<D> + ?Sized> Linear<D> for &A {
    fn adjoint(&self, y: Tensor<D>) -> Tensor<D> {
        (**self).adjoint(y)
    }
    fn solve(&self, b: Tensor<D>, shift: f64) -> Tensor<D> {
        (**self).solve(b, shift)
    }
    fn pinv(&self, y: Tensor<D>) -> Tensor<D> {
        (**self).pinv(y)
    }
}

impl<const D: usize, A: Operator<D> + ?Sized> Operator<D> for Box<A> {
    fn apply(&self, x: Tensor<D>) -> Tensor<D> {
        (**self).apply(x)
    }
}

impl<const D: usize, A: Linear<D> + ?Sized> Linear<D> for Box<A> {
    fn adjoint(&self, y: Tensor<D>) -> Tensor<D> {
        (**self).adjoint(y)
    }
    fn solve(&self, b: Tensor<D>, shift: f64) -> Tensor<D> {
        (**self).solve(b, shift)
    }
    fn pinv(&self, y: Tensor<D>) -> Tensor<D> {
        (**self).pinv(y)
    }
}

/// An operator or noise model that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// A box that leaves its image.
    #[error(
        "a box of {}×{} pixels at ({}, {}) does not lie within {}×{} pixels",
        extent[0], extent[1], corner[0], corner[1], size[0], size[1]
    )]
    Box {
        /// Height and width of the image.
        size: [usize; 2],
        /// The box's upper row and left column.
        corner: [usize; 2],
        /// The box's height and width.
        extent: [usize; 2],
    },
    /// A factor of 0.
    #[error("the factor has to be at least 1, got {factor}")]
    Factor {
        /// The factor.
        factor: usize,
    },
    /// A noise level that is not positive.
    #[error("the noise level has to be finite and above 0, got {sigma}")]
    Sigma {
        /// The noise level.
        sigma: f64,
    },
}
