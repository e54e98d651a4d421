//! Noise models: the distribution of a measurement around `A x₀`. One model per file.
//!
//! | noise | law |
//! |---|---|
//! | [`GaussianNoise`], [`UniformNoise`], [`LaplaceNoise`] | additive |
//! | [`PoissonNoise`], [`ApproximatePoissonNoise`] | photon counts; the same with a Gaussian approximation of the likelihood |
//! | [`PoissonGaussianNoise`] | photon counts plus read noise |
//! | [`LogPoissonNoise`] | log-transformed photon counts (CT) |
//! | [`GammaNoise`], [`RicianNoise`] | speckle; magnitudes of complex values |
//! | [`SaltAndPepper`], [`QuantisationNoise`] | impulses; rounding |
//! | [`InRange`] | any of them, with parameters stated in another range of values |
//!
//! [`Anscombe`] makes photon counts values with Gaussian noise. [`estimate_sigma`] and
//! [`estimate_camera_noise`] find the parameters of an image's noise.

#[macro_use]
mod any;

mod anscombe;
mod approximate_poisson;
mod draw;
mod estimate;
mod gamma;
mod gaussian;
mod in_range;
mod laplace;
mod log_poisson;
mod poisson;
mod poisson_gaussian;
mod quantisation;
mod rician;
mod salt_and_pepper;
mod special;
mod uniform;

use crate::operator::OperatorError;
use crate::values::finite_values;
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tweedie_core::Noise;

pub use anscombe::Anscombe;
pub use approximate_poisson::ApproximatePoissonNoise;
pub use estimate::{CameraNoise, estimate_camera_noise, estimate_sigma};
pub use gamma::GammaNoise;
pub use gaussian::GaussianNoise;
pub use in_range::InRange;
pub use laplace::LaplaceNoise;
pub use log_poisson::LogPoissonNoise;
pub use poisson::PoissonNoise;
pub use poisson_gaussian::PoissonGaussianNoise;
pub use quantisation::QuantisationNoise;
pub use rician::RicianNoise;
pub use salt_and_pepper::SaltAndPepper;
pub use uniform::UniformNoise;

noise_models! {
    /// Additive normal noise.
    Gaussian(GaussianNoise),
    /// Poisson noise of photon counts.
    Poisson(PoissonNoise),
    /// The normal approximation to Poisson noise.
    ApproximatePoisson(ApproximatePoissonNoise),
    /// Poisson noise of photons plus normal noise of the electronics.
    PoissonGaussian(PoissonGaussianNoise),
    /// Additive uniform noise.
    Uniform(UniformNoise),
    /// Additive Laplace noise.
    Laplace(LaplaceNoise),
    /// Impulses: salt and pepper.
    SaltAndPepper(SaltAndPepper),
    /// Multiplicative gamma noise: speckle.
    Gamma(GammaNoise),
    /// The magnitude of a complex value with normal noise.
    Rician(RicianNoise),
    /// Rounding to multiples of a step.
    Quantisation(QuantisationNoise),
    /// The logarithm of Poisson counts.
    LogPoisson(LogPoissonNoise),
    /// Any of these, with parameters stated in another range.
    InRange(Box<InRange<AnyNoise>>),
}

/// The distribution `p(y | A x₀)` of a measurement given its noiseless value.
///
/// `mean` is that noiseless value, `A x₀`. It need not be the expectation of `y`: for
/// [`RicianNoise`] it is the true magnitude, for [`LogPoissonNoise`] the attenuation. Parameters
/// are in the value range of the image.
pub trait NoiseModel<const D: usize> {
    /// Checks that the model is defined for `mean`.
    ///
    /// # Errors
    /// [`OperatorError::Value`], with the values that the model takes. For example, a photon count
    /// cannot have a negative mean.
    fn check(&self, mean: &Tensor<D>) -> Result<(), OperatorError> {
        let _ = mean;
        Ok(())
    }

    /// Checks that `y` is a possible measurement under the model.
    ///
    /// # Errors
    /// [`OperatorError::Value`], with the possible values. For example, a count is not negative.
    fn check_measured(&self, y: &Tensor<D>) -> Result<(), OperatorError> {
        let _ = y;
        Ok(())
    }

    /// `log p(y | mean)` in nats for each sample, `[batch]`.
    ///
    /// This is the logarithm of the density, or of the probability if measurements are discrete.
    /// The result is differentiable with respect to `mean`, except for a hard constraint such as
    /// `UniformNoise`.
    ///
    /// # Panics
    /// If `y` has neither the shape of `mean` nor that of one of its samples.
    fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1>;

    /// `Λ`, where `−log p(y | mean)` is `‖y − mean‖²_Λ` up to a constant and its variance depends
    /// on the measured value; `None` for other models.
    ///
    /// DPS as published weights its residual with it.
    fn weights(&self, y: &Tensor<D>) -> Option<Tensor<D>> {
        let _ = y;
        None
    }

    /// Draws `y` around `mean`.
    ///
    /// Models other than the normal one seed a generator for each sample from `noise`, so that a
    /// sample does not depend on the others in its batch.
    fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D>;
}

macro_rules! pointer {
    () => {
        fn check(&self, mean: &Tensor<D>) -> Result<(), OperatorError> {
            (**self).check(mean)
        }
        fn check_measured(&self, y: &Tensor<D>) -> Result<(), OperatorError> {
            (**self).check_measured(y)
        }
        fn log_likelihood(&self, y: Tensor<D>, mean: Tensor<D>) -> Tensor<1> {
            (**self).log_likelihood(y, mean)
        }
        fn weights(&self, y: &Tensor<D>) -> Option<Tensor<D>> {
            (**self).weights(y)
        }
        fn corrupt(&self, mean: Tensor<D>, noise: &mut dyn Noise<D>) -> Tensor<D> {
            (**self).corrupt(mean, noise)
        }
    };
}

impl<const D: usize, N: NoiseModel<D> + ?Sized> NoiseModel<D> for &N {
    pointer!();
}

impl<const D: usize, N: NoiseModel<D> + ?Sized> NoiseModel<D> for Box<N> {
    pointer!();
}

impl<const D: usize, N: NoiseModel<D> + ?Sized> NoiseModel<D> for Arc<N> {
    pointer!();
}

/// Panics unless `y` has the shape of `mean`, or that of one of its samples.
pub(crate) fn assert_measured<const D: usize>(y: &Tensor<D>, mean: &Tensor<D>) {
    let (found, expected) = (y.dims(), mean.dims());
    assert!(
        found[1..] == expected[1..] && (found[0] == 1 || found[0] == expected[0]),
        "a measurement of shape {found:?} for a batch of shape {expected:?}"
    );
}

/// `Ok` if no value of `y` is below 0.
pub(crate) fn nonnegative<const D: usize>(
    noise: &'static str,
    y: &Tensor<D>,
) -> Result<(), OperatorError> {
    at_least(noise, y, 0.0)
}

/// `Ok` if no value of `mean` is below 0 by more than the rounding error of an operator.
///
/// For example, an operator that uses FFTs turns zeros of an image into small values of either
/// sign.
pub(crate) fn nonnegative_mean<const D: usize>(
    noise: &'static str,
    mean: &Tensor<D>,
) -> Result<(), OperatorError> {
    /// The tolerance in units of the rounding error of the largest value.
    const ROUNDINGS: f64 = 64.0;
    let unit = match mean.dtype() {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2_f64.powi(-10),
        DType::BF16 => 2_f64.powi(-7),
        _ => f64::from(f32::EPSILON),
    };
    let largest = mean.clone().abs().max().into_scalar::<f64>();
    at_least(noise, mean, -ROUNDINGS * unit * largest)
}

fn at_least<const D: usize>(
    noise: &'static str,
    x: &Tensor<D>,
    least: f64,
) -> Result<(), OperatorError> {
    finite_values(noise, x)?;
    let value = x.clone().min().into_scalar::<f64>();
    match value >= least {
        true => Ok(()),
        false => Err(OperatorError::Value {
            noise,
            value,
            expected: "of at least 0",
        }),
    }
}
