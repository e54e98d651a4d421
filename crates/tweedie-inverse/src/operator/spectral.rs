//! Operators with a known singular value decomposition `A = U Σ Vᵀ`.

use super::Linear;
use super::{Solution, SolveError};
use burn::tensor::{Bool, DType, Tensor};
use std::sync::Arc;

/// A linear operator with its singular value decomposition `A = U Σ Vᵀ`.
///
/// The *spectrum* of a signal is `Vᵀ x`. It has as many values as the signal, in a shape that the
/// operator chooses. `V` is orthogonal. The columns of `U` are orthonormal where the singular value
/// is not 0, and zero elsewhere. The spectrum `Uᵀ y` of a measurement has the same shape.
pub trait Spectral<const D: usize>: Linear<D> {
    /// `Σ`, in a shape that broadcasts against the spectrum of `like`, on its device and in its
    /// precision.
    fn singular_values(&self, like: &Tensor<D>) -> Tensor<D>;

    /// `Vᵀ x`.
    fn signal_to_spectrum(&self, x: Tensor<D>) -> Tensor<D>;

    /// `V c`.
    fn spectrum_to_signal(&self, c: Tensor<D>) -> Tensor<D>;

    /// `Uᵀ y`.
    fn measured_to_spectrum(&self, y: Tensor<D>) -> Tensor<D>;

    /// `U c`.
    fn spectrum_to_measured(&self, c: Tensor<D>) -> Tensor<D>;

    /// `A⁺ y`, with singular values up to `cutoff` times the largest taken as 0.
    ///
    /// A cutoff that is negative or NaN counts as 0.
    ///
    /// # Panics
    /// For a measurement of another shape.
    fn truncated_pinv(&self, y: Tensor<D>, cutoff: f64) -> Tensor<D> {
        if let Err(error) = self.input_shape(y.dims()) {
            panic!("{error}");
        }
        let cutoff = cutoff.max(0.0);
        let c = self.measured_to_spectrum(y);
        let s = self.singular_values(&c);
        let none = negligible(&s, cutoff);
        let inverse = s.mask_fill(none.clone(), 1.0).recip().mask_fill(none, 0.0);
        self.spectrum_to_signal(c * inverse)
    }
}

/// True where singular values are at most `cutoff` times the largest.
pub(crate) fn negligible<const D: usize>(s: &Tensor<D>, cutoff: f64) -> Tensor<D, Bool> {
    let most = s.clone().max().reshape([1; D]) * cutoff;
    s.clone().lower_equal(most)
}

/// Forwards the methods of [`Spectral`] to the pointee.
macro_rules! pointer {
    ($($pointer:ty),*) => {$(
        impl<const D: usize, A: Spectral<D> + ?Sized> Spectral<D> for $pointer {
            fn singular_values(&self, like: &Tensor<D>) -> Tensor<D> {
                (**self).singular_values(like)
            }
            fn signal_to_spectrum(&self, x: Tensor<D>) -> Tensor<D> {
                (**self).signal_to_spectrum(x)
            }
            fn spectrum_to_signal(&self, c: Tensor<D>) -> Tensor<D> {
                (**self).spectrum_to_signal(c)
            }
            fn measured_to_spectrum(&self, y: Tensor<D>) -> Tensor<D> {
                (**self).measured_to_spectrum(y)
            }
            fn spectrum_to_measured(&self, c: Tensor<D>) -> Tensor<D> {
                (**self).spectrum_to_measured(c)
            }
        }
    )*};
}

pointer!(&A, Arc<A>, Box<A>);

/// `V (Σ² + shift)⁻¹ Vᵀ b`.
pub(crate) fn solve<const D: usize>(
    a: &(impl Spectral<D> + ?Sized),
    b: Tensor<D>,
    shift: f64,
) -> Result<Solution<D>, SolveError> {
    let c = a.signal_to_spectrum(b);
    let s = a.singular_values(&c);
    Ok(Solution::exact(
        a.spectrum_to_signal(c / (s.square() + shift)),
    ))
}

/// `V Σ⁺ Uᵀ y`, with singular values at the level of rounding taken as 0.
pub(crate) fn pinv<const D: usize>(
    a: &(impl Spectral<D> + ?Sized),
    y: Tensor<D>,
) -> Result<Solution<D>, SolveError> {
    let cutoff = cutoff(y.dtype());
    Ok(Solution::exact(a.truncated_pinv(y, cutoff)))
}

/// The fraction of the largest singular value below which others are rounding error.
pub(crate) fn cutoff(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-14,
        _ => 3e-6,
    }
}

/// Implements `solve_unchecked` and `pinv_unchecked` for a [`Spectral`] operator.
macro_rules! closed_form {
    ($rank:expr) => {
        fn solve_unchecked(
            &self,
            b: Tensor<$rank>,
            shift: f64,
            _: $crate::solver::ConjugateGradient,
        ) -> Result<Solution<$rank>, SolveError> {
            $crate::operator::spectral::solve(self, b, shift)
        }
        fn pinv_unchecked(
            &self,
            y: Tensor<$rank>,
            _: $crate::solver::ConjugateGradient,
        ) -> Result<Solution<$rank>, SolveError> {
            $crate::operator::spectral::pinv(self, y)
        }
    };
}
pub(crate) use closed_form;
