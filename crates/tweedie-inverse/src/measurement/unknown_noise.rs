//! A measurement whose noise level is a part of the signal.
//!
//! `y = A x + e^s n` with `n ~ N(0, I)`: `log p(y | x, s) = −m s − ‖y − A x‖²/(2 e^{2s})` for `m`
//! measured values. The state has one channel (dimension 1) more than the signal, whose first value
//! is `s`.

use super::Likelihood;
use crate::operator::{Operator, OperatorError};
use crate::values::{finite_values, widened};
use burn::tensor::Tensor;
use tweedie_core::{InputError, per_sample_sum};

/// The likelihood of a signal and of the logarithm of the noise's standard deviation.
///
/// A prior of both is a product ([`Product`](tweedie_core::Product)) of the signal's and of one
/// value; in images, that value is a [`Corner`](tweedie_core::Corner) of 1×1. Methods that take any
/// likelihood then draw the noise level together with the signal.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_inverse::measurement::{Likelihood, UnknownNoise};
/// use tweedie_inverse::operator::Identity;
///
/// let y = Tensor::<2>::from_floats([[0.3, -0.4]], &Device::flex());
/// let measured = UnknownNoise::new(Identity, y)?;
/// // Without a signal, the most likely noise is the root mean square of y.
/// let at = |s: f32| {
///     let state = Tensor::<2>::from_floats([[0.0, 0.0, s]], &Device::flex());
///     measured.log_likelihood(state).into_scalar::<f32>()
/// };
/// let best = 0.125_f32.sqrt().ln();
/// assert!(at(best) > at(best + 0.1) && at(best) > at(best - 0.1));
/// # Ok::<(), tweedie_inverse::operator::OperatorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnknownNoise<const D: usize, A> {
    operator: A,
    y: Tensor<D>,
    /// The number of measured values of each row of `y`.
    count: Tensor<1>,
}

impl<const D: usize, A: Operator<D>> UnknownNoise<D, A> {
    /// Takes the operator and the measured values. Entries that the operator never measures are
    /// left out.
    ///
    /// # Errors
    /// [`OperatorError::Value`] unless the values are finite.
    pub fn new(operator: A, y: Tensor<D>) -> Result<Self, OperatorError> {
        let y = operator.observed(y);
        finite_values("a measurement", &y)?;
        let count = per_sample_sum(widened(operator.observed(y.ones_like())));
        Ok(Self { operator, y, count })
    }

    /// The signals of states.
    pub fn signals(&self, state: Tensor<D>) -> Tensor<D> {
        let channels = state.dims()[1];
        state.narrow(1, 0, channels - 1)
    }

    /// The logarithm of the noise's standard deviation in states, `[batch]`.
    pub fn log_noise(&self, state: Tensor<D>) -> Tensor<1> {
        let (batch, channels) = (state.dims()[0], state.dims()[1]);
        let last = state.narrow(1, channels - 1, 1);
        let first = (2..D).fold(last, |x, dim| x.narrow(dim, 0, 1));
        first.reshape([batch])
    }
}

impl<const D: usize, A: Operator<D>> Likelihood<D> for UnknownNoise<D, A> {
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1> {
        let s = widened(self.log_noise(clean.clone()));
        let mean = self.operator.apply(self.signals(clean));
        let residual = widened(self.operator.observed(self.y.clone() - mean));
        let squares = per_sample_sum(residual.square());
        (s.clone() * self.count.clone() + squares * 0.5 * (s * -2.0).exp()) * -1.0
    }

    fn accepts(&self, mut signal: [usize; D]) -> Result<(), InputError> {
        if D < 2 || signal[1] < 2 {
            return Err(InputError::Shape {
                name: "a state with a noise level",
                found: signal.to_vec(),
                expected: "at least 2 channels".into(),
            });
        }
        signal[1] -= 1;
        Ok(super::check_measured(&self.operator, &self.y, signal)?)
    }
}
