//! Linear operators.

use super::{Operator, OperatorError, error};
use crate::solver::iterations::{finite, positive};
use crate::solver::{ConjugateGradient, Solution, SolveError};
use burn::tensor::Tensor;
use std::sync::Arc;

/// A linear operator with its exact adjoint.
///
/// Equations are solved in closed form where one exists, and otherwise by conjugate gradients,
/// whose result carries its residual. [`ConjugateGradient`] has the same methods with custom
/// settings.
pub trait Linear<const D: usize>: Operator<D> {
    /// The shape of the signals whose measurements have the shape `measured`.
    ///
    /// # Errors
    /// [`OperatorError::Shape`], with the shape of the operator's measurements.
    fn input_shape(&self, measured: [usize; D]) -> Result<[usize; D], OperatorError>;

    /// Like [`adjoint`](Self::adjoint), without a check of the shape.
    fn adjoint_unchecked(&self, y: Tensor<D>) -> Tensor<D>;

    /// `Aᵀ y`, exact: `⟨A x, y⟩ = ⟨x, Aᵀ y⟩`.
    ///
    /// # Panics
    /// If [`input_shape`](Self::input_shape) returns an error, with its message.
    fn adjoint(&self, y: Tensor<D>) -> Tensor<D> {
        if let Err(error) = self.input_shape(y.dims()) {
            panic!("{error}");
        }
        self.adjoint_unchecked(y)
    }

    /// Like [`solve`](Self::solve), without argument checks. Uses `iterations` unless there is a
    /// closed form.
    ///
    /// # Errors
    /// [`SolveError::NotConverged`].
    fn solve_unchecked(
        &self,
        b: Tensor<D>,
        shift: f64,
        iterations: ConjugateGradient,
    ) -> Result<Solution<D>, SolveError> {
        iterations.solve(self, b, shift)
    }

    /// Like [`pinv`](Self::pinv), without argument checks. Uses `iterations` unless there is a
    /// closed form.
    ///
    /// # Errors
    /// [`SolveError::NotConverged`].
    fn pinv_unchecked(
        &self,
        y: Tensor<D>,
        iterations: ConjugateGradient,
    ) -> Result<Solution<D>, SolveError> {
        iterations.pinv(self, y)
    }

    /// `(AᵀA + shift I)⁻¹ b` for `shift > 0`.
    ///
    /// # Errors
    /// [`SolveError`] for another shift, a `b` of another shape or with values that are not finite,
    /// or if conjugate gradients do not converge.
    fn solve(&self, b: Tensor<D>, shift: f64) -> Result<Solution<D>, SolveError> {
        positive(shift)?;
        self.output_shape(b.dims())?;
        finite(&b)?;
        self.solve_unchecked(b, shift, ConjugateGradient::default())
    }

    /// `A⁺ y`, the least-squares solution of minimum norm.
    ///
    /// # Errors
    /// [`SolveError`] for a `y` of another shape or with values that are not finite, or if
    /// conjugate gradients do not converge.
    fn pinv(&self, y: Tensor<D>) -> Result<Solution<D>, SolveError> {
        self.input_shape(y.dims())?;
        finite(&y)?;
        self.pinv_unchecked(y, ConjugateGradient::default())
    }

    /// The proximal step of the data, `argmin_x γ/2 ‖A x − y‖² + ½ ‖x − z‖²`, which is
    /// `z + (AᵀA + I/γ)⁻¹ Aᵀ (y − A z)`. A `y` of batch 1 is broadcast.
    ///
    /// # Errors
    /// [`SolveError`] unless `gamma` is finite and above 0 and the shapes fit, or as
    /// [`solve`](Self::solve).
    fn proximal(&self, z: Tensor<D>, y: Tensor<D>, gamma: f64) -> Result<Solution<D>, SolveError> {
        positive(1.0 / gamma)?;
        let mut expected = self.output_shape(z.dims())?;
        expected[0] = y.dims()[0];
        let fits = y.dims() == expected && (expected[0] == 1 || expected[0] == z.dims()[0]);
        error::fits("proximal step", &y.dims(), fits, || {
            format!("a measurement {expected:?} of each signal, or of all")
        })?;
        let b = self.adjoint_unchecked(y - self.apply_unchecked(z.clone()));
        finite(&b)?;
        let change = self.solve_unchecked(b, 1.0 / gamma, ConjugateGradient::default())?;
        Ok(Solution {
            x: z + change.x,
            ..change
        })
    }
}

/// Forwards the methods of `Linear` to the pointee.
macro_rules! pointer {
    () => {
        fn input_shape(&self, measured: [usize; D]) -> Result<[usize; D], OperatorError> {
            (**self).input_shape(measured)
        }
        fn adjoint_unchecked(&self, y: Tensor<D>) -> Tensor<D> {
            (**self).adjoint_unchecked(y)
        }
        fn solve_unchecked(
            &self,
            b: Tensor<D>,
            shift: f64,
            iterations: ConjugateGradient,
        ) -> Result<Solution<D>, SolveError> {
            (**self).solve_unchecked(b, shift, iterations)
        }
        fn pinv_unchecked(
            &self,
            y: Tensor<D>,
            iterations: ConjugateGradient,
        ) -> Result<Solution<D>, SolveError> {
            (**self).pinv_unchecked(y, iterations)
        }
    };
}

impl<const D: usize, A: Linear<D> + ?Sized> Linear<D> for &A {
    pointer!();
}

impl<const D: usize, A: Linear<D> + ?Sized> Linear<D> for Arc<A> {
    pointer!();
}

impl<const D: usize, A: Linear<D> + ?Sized> Linear<D> for Box<A> {
    pointer!();
}
