//! A measurement: an operator, a noise model and what was seen.

mod any;
mod reverse;

use crate::noise::{GaussianNoise, NoiseModel};
use crate::operator::adjoint::check_adjoint;
use crate::operator::error::fits;
use crate::operator::{Linear, Operator, OperatorError, Spectral};
use burn::tensor::{DType, Tensor};
use tweedie_core::{InputError, Noise};

pub use any::{AnyMeasurement, MeasurementError};

/// Anything that scores clean signals: a measurement, a classifier, a constraint.
pub trait Likelihood<const D: usize> {
    /// `log p(y | x₀)` in nats for each sample, up to a constant: `[batch]`. A sample's score does
    /// not depend on its neighbours.
    fn log_likelihood(&self, clean: Tensor<D>) -> Tensor<1>;

    /// Whether it scores signals of a shape. A run asks this before it starts.
    ///
    /// # Errors
    /// [`InputError`] says what does not fit.
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

/// `y = A x₀ + noise`. A `y` of batch 1 is shared by a batch of any size.
#[derive(Clone, Debug)]
pub struct Measurement<const D: usize, A, N> {
    /// `A`.
    pub operator: A,
    /// The law of `y` around `A x₀`.
    pub noise: N,
    /// The measured values; [`new`](Self::new) sets those to 0 that the operator does not measure.
    pub y: Tensor<D>,
}

impl<const D: usize, A: Operator<D>, N: NoiseModel<D>> Measurement<D, A, N> {
    /// A measurement that was made. Entries that the operator never measures are set to 0
    /// ([`Operator::observed`]).
    pub fn new(operator: A, noise: N, y: Tensor<D>) -> Self {
        let y = operator.observed(y);
        Self { operator, noise, y }
    }

    /// Measures `truth`.
    ///
    /// # Errors
    /// [`OperatorError`] if the operator does not take signals of that shape, or the noise model
    /// not such values.
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

    /// Whether `y` can be a measurement of signals of a shape.
    ///
    /// # Errors
    /// [`OperatorError::Shape`] if the operator does not take such signals, or makes other
    /// measurements of them; [`OperatorError::Value`] for values that are not finite, or that the
    /// noise model does not make.
    pub fn check(&self, signal: [usize; D]) -> Result<(), OperatorError> {
        check_measured(&self.operator, &self.y, signal)?;
        self.noise.check_measured(&self.y)
    }
}

/// Whether `y` is finite and has the shape of a measurement of signals of a shape; one sample is
/// shared by a batch.
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

/// `Ok` if every value is finite.
pub(crate) fn finite_values<const D: usize>(
    name: &'static str,
    x: &Tensor<D>,
) -> Result<(), OperatorError> {
    if x.shape().num_elements() == 0 {
        return Err(OperatorError::Length {
            values: name,
            found: 0,
            expected: 1,
        });
    }
    // A sum of zeros, unless a value is infinite or no number.
    let zero = (x.clone() * 0.0).sum().into_scalar::<f64>();
    match zero == 0.0 {
        true => Ok(()),
        false => Err(OperatorError::Value {
            noise: name,
            value: zero,
            expected: "that are finite",
        }),
    }
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

/// Checks that a measurement fits signals of a shape, and that its operator has the right adjoint.
pub(crate) fn accepts_linear<const D: usize>(
    problem: &(impl LinearMeasured<D> + ?Sized),
    signal: [usize; D],
) -> Result<(), InputError> {
    problem.accepts(signal)?;
    Ok(check_adjoint(problem.linear(), &problem.y(), signal)?)
}

/// At least in single precision: a sum over an image exceeds what half precision can hold.
pub(crate) fn widened<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match x.dtype() {
        DType::F16 | DType::BF16 => x.cast(DType::F32),
        _ => x,
    }
}

/// What was measured, by any operator with any noise: what methods ask for that look at `y − A x`.
pub trait Measured<const D: usize>: Likelihood<D> {
    /// `A`.
    fn operator(&self) -> &dyn Operator<D>;

    /// What was seen; a batch of 1 is shared.
    fn y(&self) -> Tensor<D>;
}

/// A measurement by a linear operator: what methods ask for that take its adjoint or
/// pseudo-inverse.
pub trait LinearMeasured<const D: usize>: Measured<D> {
    /// `A`.
    fn linear(&self) -> &dyn Linear<D>;
}

/// A linear measurement with Gaussian noise, `y = A x₀ + σ_y n`: what closed forms need.
pub trait LinearGaussian<const D: usize>: LinearMeasured<D> {
    /// `σ_y`.
    fn sigma(&self) -> f64;
}

/// A [`LinearGaussian`] measurement whose operator's singular values are known.
pub trait SpectralGaussian<const D: usize>: LinearGaussian<D> {
    /// `A = U Σ Vᵀ`.
    fn spectral(&self) -> &dyn Spectral<D>;
}

impl<const D: usize, A: Operator<D>, N: NoiseModel<D>> Measured<D> for Measurement<D, A, N> {
    fn operator(&self) -> &dyn Operator<D> {
        &self.operator
    }

    fn y(&self) -> Tensor<D> {
        self.y.clone()
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
