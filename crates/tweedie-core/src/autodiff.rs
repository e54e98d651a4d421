//! Reverse-mode products.

use burn::tensor::Tensor;
use std::convert::Infallible;

/// The transposed Jacobian of a function at a point, ready to be applied once: burn consumes the
/// tape of a backward pass.
#[derive(Debug)]
pub struct Pullback<const D: usize, const E: usize> {
    input: Tensor<D>,
    output: Tensor<E>,
}

/// The value of `f` at `x` together with its [`Pullback`].
///
/// Only `x` is tracked: parameters of a network on a plain device are constants, which costs half
/// of a full backward pass.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::vjp;
///
/// let x = Tensor::<1>::from_floats([1.0, 2.0], &Device::flex());
/// let (value, pullback) = vjp(x, |x| x.clone() * x);
/// let gradient = pullback.apply(value.ones_like());
/// assert_eq!(gradient.into_data().try_into_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn vjp<const D: usize, const E: usize>(
    x: Tensor<D>,
    f: impl FnOnce(Tensor<D>) -> Tensor<E>,
) -> (Tensor<E>, Pullback<D, E>) {
    let Ok(both) = try_vjp(x, |x| Ok::<_, Infallible>(f(x)));
    both
}

/// [`vjp`] of a function that may fail.
///
/// # Errors
/// What `f` returns.
pub fn try_vjp<const D: usize, const E: usize, Error>(
    x: Tensor<D>,
    f: impl FnOnce(Tensor<D>) -> Result<Tensor<E>, Error>,
) -> Result<(Tensor<E>, Pullback<D, E>), Error> {
    let input = x.without_autodiff().autodiff().require_grad();
    let output = f(input.clone())?;
    let value = output.clone().without_autodiff();
    Ok((value, Pullback { input, output }))
}

impl<const D: usize, const E: usize> Pullback<D, E> {
    /// `Jᵀ v`; zero if the output does not depend on the input.
    ///
    /// # Panics
    /// If `v` has not the shape of the output.
    #[must_use]
    pub fn apply(self, v: Tensor<E>) -> Tensor<D> {
        assert_eq!(v.dims(), self.output.dims(), "a vector for the output");
        let product = (self.output * v).sum();
        if !product.is_tracked() {
            return self.input.without_autodiff().zeros_like();
        }
        let gradients = product.backward();
        self.input
            .grad(&gradients)
            .unwrap_or_else(|| self.input.without_autodiff().zeros_like())
    }
}
