//! A measurement: an operator, a noise model and the measured values.

mod any;
mod reverse;
mod unknown_noise;

use crate::noise::{GaussianNoise, NoiseModel};
use crate::operator::adjoint::check_adjoint;
use crate::operator::error::fits;
use crate::operator::{Linear, Operator, OperatorError, Spectral};
use crate::values::{finite_values, widened};
use burn::tensor::Tensor;
use tweedie_core::{InputError, Noise};

pub use any::{AnyMeasurement, MeasurementError};
pub use unknown_noise::UnknownNoise;

/// A log-likelihood of clean signals: a measurement, a classifier or a constraint.
pub trait Likelihood<const D: usize> {
    /// Returns `log p(y | x₀)` of each sample in nats, up to a constant: `[batch, …]` to `[batch]`.
    /// The value of a sample does not depend on the other samples.
    ///
    /// # Panics
    /// May panic for a shape that [`accepts`](Self::accepts) rejects; [`Measurement`] does.
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1>;

    /// Checks that the likelihood accepts signals of shape `signal`. A run calls this before it
    /// starts.
    ///
    /// # Errors
    /// [`InputError`] names what does not fit.
    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        let _ = signal;
        Ok(())
    }
}

impl<const D: usize, L: Likelihood<D> + ?Sized> Likelihood<D> for &L {
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1> {
        (**self).log_likelihood(clean)
    }
    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        (**self).accepts(signal)
    }
}

impl<const D: usize, L: Likelihood<D> + ?Sized> Likelihood<D> for Box<L> {
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1> {
        (**self).log_likelihood(clean)
    }
    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        (**self).accepts(signal)
    }
}

/// The measurement `y = A x₀ + noise`. A `y` of batch 1 is broadcast to a batch of any size.
#[derive(Clone, Debug)]
pub struct Measurement<const D: usize, A, N> {
    /// The operator `A`.
    pub operator: A,
    /// The noise model: the law of `y` given `A x₀`.
    pub noise: N,
    /// The measured values. [`new`](Self::new) sets entries that the operator does not measure to
    /// 0.
    pub y: Tensor<D>,
}

impl<const D: usize, A: Operator<D>, N: NoiseModel<D>> Measurement<D, A, N> {
    /// Creates a measurement from measured values `y`. Entries that the operator never measures are
    /// set to 0 ([`Operator::observed`]).
    pub fn new(operator: A, noise: N, y: Tensor<D>) -> Self {
        let y = operator.observed(y);
        Self { operator, noise, y }
    }

    /// Simulates a measurement of `truth`: applies the operator and adds noise.
    ///
    /// # Errors
    /// [`OperatorError`] if the operator does not accept the shape of `truth`, if `A x₀` is not
    /// finite, or if the noise model does not accept its values.
    pub fn simulate(
        operator: A,
        noise: N,
        truth: Tensor<D>,
        random: &mut dyn Noise<D>,
    ) -> Result<Self, OperatorError> {
        operator.output_shape(truth.dims())?;
        let mean = operator.apply(truth);
        finite_values("a signal", &mean)?;
        noise.check(&mean)?;
        let y = noise.corrupt(mean, random);
        Ok(Self::new(operator, noise, y))
    }

    /// Checks that `y` can be a measurement of signals of shape `signal`.
    ///
    /// # Errors
    /// [`OperatorError::Shape`] if the operator does not accept such signals, or if `y` does not
    /// have the shape of their measurement; [`OperatorError::Value`] for values that are not
    /// finite, or that the noise model cannot produce.
    pub fn check(&self, signal: [usize; D]) -> Result<(), OperatorError> {
        check_measured(&self.operator, &self.y, signal)?;
        self.noise.check_measured(&self.y)
    }
}

/// Checks that `y` is finite and has the shape of a measurement of signals of shape `signal`. A `y`
/// of batch 1 fits a batch of any size.
pub(crate) fn check_measured<const D: usize>(
    operator: &(impl Operator<D> + ?Sized),
    y: &Tensor<D>,
    signal: [usize; D],
) -> Result<(), OperatorError> {
    let expected = operator.output_shape(signal)?;
    let found = y.dims();
    let shared = found[1..] == expected[1..] && (found[0] == 1 || found[0] == expected[0]);
    fits("measurement", &found, shared, || {
        format!("{expected:?}, or one sample of it")
    })?;
    finite_values("a measurement", y)
}

impl<const D: usize, A: Operator<D>, N: NoiseModel<D>> Likelihood<D> for Measurement<D, A, N> {
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1> {
        let mean = self.operator.apply(clean);
        let y = self.y.clone();
        self.noise.log_likelihood(widened(y), widened(mean))
    }

    fn accepts(&self, signal: [usize; D]) -> Result<(), InputError> {
        Ok(self.check(signal)?)
    }
}

/// Checks that a measurement fits signals of shape `signal`, and that its operator's adjoint is
/// correct.
pub(crate) fn accepts_linear<const D: usize>(
    problem: &(impl LinearMeasured<D> + ?Sized),
    signal: [usize; D],
) -> Result<(), InputError> {
    problem.accepts(signal)?;
    Ok(check_adjoint(problem.linear(), &problem.y(), signal)?)
}

/// A measurement with any operator and any noise, for methods that use `y − A x`.
pub trait Measured<const D: usize>: Likelihood<D> {
    /// The operator `A`.
    fn operator(&self) -> &dyn Operator<D>;

    /// The measured values `y`; a batch of 1 is broadcast.
    fn y(&self) -> Tensor<D>;

    /// The [`weights`](NoiseModel::weights) of the squared residual, in the shape of `y`.
    fn weights(&self) -> Option<Tensor<D>> {
        None
    }
}

/// A measurement with a linear operator, for methods that use its adjoint or pseudo-inverse.
pub trait LinearMeasured<const D: usize>: Measured<D> {
    /// The operator `A`.
    fn linear(&self) -> &dyn Linear<D>;
}

/// A linear measurement with Gaussian noise, `y = A x₀ + σ_y n`, for methods with closed forms.
pub trait LinearGaussian<const D: usize>: LinearMeasured<D> {
    /// The standard deviation `σ_y` of the noise.
    fn sigma(&self) -> f64;
}

/// A [`LinearGaussian`] measurement with the singular value decomposition of its operator.
pub trait SpectralGaussian<const D: usize>: LinearGaussian<D> {
    /// The operator `A = U Σ Vᵀ`.
    fn spectral(&self) -> &dyn Spectral<D>;
}

impl<const D: usize, A: Operator<D>, N: NoiseModel<D>> Measured<D> for Measurement<D, A, N> {
    fn operator(&self) -> &dyn Operator<D> {
        &self.operator
    }

    fn y(&self) -> Tensor<D> {
        self.y.clone()
    }

    fn weights(&self) -> Option<Tensor<D>> {
        self.noise.weights(&self.y)
    }
}

impl<const D: usize, A: Linear<D>, N: NoiseModel<D>> LinearMeasured<D> for Measurement<D, A, N> {
    fn linear(&self) -> &dyn Linear<D> {
        &self.operator
    }
}

impl<const D: usize, A: Linear<D>> LinearGaussian<D> for Measurement<D, A, GaussianNoise> {
    fn sigma(&self) -> f64 {
        self.noise.sigma()
    }
}

impl<const D: usize, A: Spectral<D>> SpectralGaussian<D> for Measurement<D, A, GaussianNoise> {
    fn spectral(&self) -> &dyn Spectral<D> {
        &self.operator
    }
}

macro_rules! pointer {
    ($($pointer:ty),*) => {$(
        impl<const D: usize, P: Measured<D> + ?Sized> Measured<D> for $pointer {
            fn operator(&self) -> &dyn Operator<D> {
                (**self).operator()
            }
            fn y(&self) -> Tensor<D> {
                (**self).y()
            }
            fn weights(&self) -> Option<Tensor<D>> {
                (**self).weights()
            }
        }

        impl<const D: usize, P: LinearMeasured<D> + ?Sized> LinearMeasured<D> for $pointer {
            fn linear(&self) -> &dyn Linear<D> {
                (**self).linear()
            }
        }

        impl<const D: usize, P: LinearGaussian<D> + ?Sized> LinearGaussian<D> for $pointer {
            fn sigma(&self) -> f64 {
                (**self).sigma()
            }
        }

        impl<const D: usize, P: SpectralGaussian<D> + ?Sized> SpectralGaussian<D> for $pointer {
            fn spectral(&self) -> &dyn Spectral<D> {
                (**self).spectral()
            }
        }
    )*};
}

pointer!(&P, Box<P>);
