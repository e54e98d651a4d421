//! Vector–Jacobian products by reverse-mode differentiation.

use burn::tensor::Tensor;
use std::convert::Infallible;

/// The transposed Jacobian of a function at a point.
///
/// It can be applied only once, since burn consumes the graph in a backward pass.
#[derive(Debug)]
pub struct Pullback<const D: usize, const E: usize> {
    input: Tensor<D>,
    output: Tensor<E>,
}

/// Returns the value of `f` at `x` and its [`Pullback`].
///
/// Only `x` is tracked. The parameters of a network on a device without autodiff are constants,
/// which halves the cost of the backward pass.
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

/// Like [`vjp`], for a function that can fail.
///
/// # Errors
/// The error of `f`.
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
    /// Computes `Jᵀ v`; zero if the output does not depend on the input.
    ///
    /// # Panics
    /// If the shape of `v` differs from that of the output.
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
