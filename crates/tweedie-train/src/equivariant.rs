//! A reconstruction from measurements alone, for signals whose law does not change under shifts and
//! reflections.
//!
//! With the operator `A`, a first reconstruction `B` (`A⁺` or `Aᵀ`) and the network `D`, let
//! `x̂ = D(B y)`. The loss is `‖A x̂ − y‖² + λ ‖T x̂ − D(B A T x̂)‖²` for a random transform `T`,
//! with the mean over its values in place of each squared norm. The first term says nothing of what
//! the operator does not see. The second does: a transformed reconstruction would have been
//! measured elsewhere, and has to be found again.
//!
//! This determines the signal only if the network cannot represent another set of signals that the
//! transforms keep and that explains the measurements: with as many free dimensions as measured
//! values there is always one.
//!
//! # Reference
//! Chen, Tachella & Davies 2021, "Equivariant Imaging: Learning Beyond the Range Space",
//! equations 8 and 9,
//! arXiv:2103.14756; Tachella, Chen & Davies 2023, "Sensing Theorems for Unsupervised Learning in
//! Linear Inverse Problems", arXiv:2203.12513.

use crate::recorrupted::{estimate, noisy_level};
use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use burn::module::Module;
use burn::tensor::Tensor;
use std::fmt;
use tweedie_core::{DenoiseError, Denoiser, InputError, per_sample_sum};
use tweedie_math::ParameterError;

/// Equivariant imaging, for measurements by a known operator.
///
/// The examples are the measurements. `measure` is the operator and `back` the first
/// reconstruction, both differentiable. The transforms are circular shifts along the last
/// dimension, and along the one before in images, with a reflection of every second.
pub struct Equivariant<A, B> {
    measure: A,
    back: B,
    weight: f64,
    sigma: f64,
}

impl<A, B> Equivariant<A, B> {
    /// The objective for an operator and a first reconstruction, with weight λ = 1 and noise 0 as
    /// the model's level.
    pub fn new(measure: A, back: B) -> Self {
        Self {
            measure,
            back,
            weight: 1.0,
            sigma: 0.0,
        }
    }

    /// Sets the weight λ, at least 0; 0 leaves the consistency with the measurement alone.
    #[must_use]
    pub fn with_weight(self, weight: f64) -> Self {
        Self { weight, ..self }
    }

    /// Sets the noise that the model is told, at least 0.
    #[must_use]
    pub fn with_sigma(self, sigma: f64) -> Self {
        Self { sigma, ..self }
    }
}

impl<A, B> fmt::Debug for Equivariant<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Equivariant")
            .field("weight", &self.weight)
            .field("sigma", &self.sigma)
            .finish_non_exhaustive()
    }
}

/// The settings; closures are not stored.
impl<A, B> serde::Serialize for Equivariant<A, B> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.weight, self.sigma].serialize(serializer)
    }
}

impl<A, B, M> Objective<M> for Equivariant<A, B> {
    /// # Errors
    /// [`TrainError::Parameter`] for a parameter outside its range.
    fn check(&self, _: &M) -> Result<(), TrainError> {
        noisy_level(self.sigma)?;
        ParameterError::require_non_negative("the weight of equivariance", self.weight)?;
        Ok(())
    }
}

impl<const D: usize, M, A, B> Loss<M, D> for Equivariant<A, B>
where
    M: Module + Denoiser<D>,
    A: Fn(Tensor<D>) -> Tensor<D>,
    B: Fn(Tensor<D>) -> Tensor<D>,
{
    fn losses(
        &self,
        model: &M,
        Batch { clean: y, .. }: Batch<D>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let level = noisy_level(self.sigma)?;
        let first = (self.back)(y.clone());
        let shape = first.dims();
        model.accepts(shape)?;
        let mean = |x: Tensor<D>| {
            let values = x.dims()[1..].iter().product::<usize>() as f64;
            per_sample_sum(x.square()) / values
        };
        let found = estimate(model, first, level)?;
        let seen = (self.measure)(found.clone());
        DenoiseError::unless_shape("the measurement", &seen.dims(), &y.dims())
            .map_err(|error| InputError::Refused(error.to_string()))?;
        let fit = mean(seen - y);
        if self.weight == 0.0 {
            return Ok(Losses::new(fit));
        }
        let moved = transformed(found, draws.uniform());
        let again = estimate(model, (self.back)((self.measure)(moved.clone())), level)?;
        Ok(Losses::new(fit + mean(moved - again) * self.weight))
    }
}

/// Each sample shifted, and reflected or not, by its own number in `[0, 1)`.
fn transformed<const D: usize>(x: Tensor<D>, uniform: &[f64]) -> Tensor<D> {
    let samples = uniform.iter().enumerate().map(|(i, &u)| {
        let mut sample = x.clone().narrow(0, i, 1);
        let mut rest = u;
        let first = if D >= 4 { D - 2 } else { D - 1 };
        for dim in first..D {
            let n = x.dims()[dim];
            let place = rest * n as f64;
            rest = place.fract();
            sample = sample.roll(&[place as i64], &[dim as i64]);
        }
        match rest < 0.5 {
            true => sample,
            false => sample.flip([D as isize - 1]),
        }
    });
    Tensor::cat(samples.collect(), 0)
}
