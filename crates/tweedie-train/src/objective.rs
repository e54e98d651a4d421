//! The denoising loss: `E_t E_ε [w(t) ‖F(x_t) − F*‖²]`, `x_t = α x₀ + σ ε`.
//!
//! The target `F*` inverts the row of the [`Prediction`](tweedie_math::Prediction) table that turns
//! the network's output into `x̂₀`. It is computed from `x₀` and `ε`, not from `x_t`.
//!
//! # Reference
//! Vincent 2011, "A Connection Between Score Matching and Denoising Autoencoders"; Ho et al. 2020,
//! eq. 14, arXiv:2006.11239; Song et al. 2021, eq. 7, arXiv:2011.13456.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};
use tweedie_core::{InputError, Levels, Network, Preconditioned};
use tweedie_math::{Schedule, TimeDensity, Weighting};

/// A training objective: a schedule, a weighting and a distribution of times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Objective<S> {
    /// The forward process.
    pub schedule: S,
    /// The weight of each noise level.
    pub weighting: Weighting,
    /// The distribution of training times.
    pub density: TimeDensity,
}

impl<S: Schedule> Objective<S> {
    /// Uniform weighting at uniform times: DDPM's simple loss.
    pub fn new(schedule: S) -> Self {
        Self {
            schedule,
            weighting: Weighting::default(),
            density: TimeDensity::default(),
        }
    }

    /// Sets the weighting.
    #[must_use]
    pub fn with_weighting(mut self, weighting: Weighting) -> Self {
        self.weighting = weighting;
        self
    }

    /// Sets the distribution of training times.
    #[must_use]
    pub fn with_density(mut self, density: TimeDensity) -> Self {
        self.density = density;
        self
    }

    /// Computes the loss, averaged over the batch and all values: `[1]`.
    ///
    /// `times` holds one time per sample; `noise` is `ε`, in the shape of `clean`.
    ///
    /// # Errors
    /// [`InputError::Shape`] if the noise or the network's output differs in shape from `clean`. A
    /// network with learned variance has twice the channels and needs another objective.
    ///
    /// # Panics
    /// If the number of times differs from the number of samples.
    pub fn loss<const D: usize, N: Module + Network<D>>(
        &self,
        model: &Preconditioned<N>,
        clean: Tensor<D>,
        times: &[f64],
        noise: Tensor<D>,
    ) -> Result<Tensor<1>, InputError> {
        self.loss_with(model, clean, times, noise, &())
    }

    /// Like [`loss`](Self::loss), for a conditional network. The condition has one row per sample.
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    ///
    /// # Panics
    /// As [`loss`](Self::loss), and for a condition that the network does not take.
    pub fn loss_with<const D: usize, C, N: Module + Network<D, C>>(
        &self,
        model: &Preconditioned<N>,
        clean: Tensor<D>,
        times: &[f64],
        noise: Tensor<D>,
        condition: &C,
    ) -> Result<Tensor<1>, InputError> {
        let shape = clean.dims();
        let of_clean = |name, found: [usize; D]| match found == shape {
            true => Ok(()),
            false => Err(InputError::Shape {
                name,
                found: found.to_vec(),
                expected: format!("that of the examples, {shape:?}"),
            }),
        };
        of_clean("the noise", noise.dims())?;
        let prediction = model.prediction();
        let levels = Levels::new(times.iter().map(|&t| self.schedule.level(t)).collect());
        let noisy = levels.corrupt(clean.clone(), noise.clone());
        let from_clean = levels.column(&clean, |level| prediction.target(level).clean);
        let from_noise = levels.column(&clean, |level| prediction.target(level).noise);
        let weights: Vec<f64> = times
            .iter()
            .map(|&t| self.weighting.weight(&self.schedule, prediction, t))
            .collect();
        let target = clean * from_clean + noise * from_noise;
        let output = model.predict_with(noisy, &levels, condition);
        of_clean("the network's output", output.dims())?;
        let error = output - target;
        // Half precision is too coarse for a mean over the whole batch.
        let error = match error.dtype() {
            DType::F64 => error,
            _ => error.cast(DType::F32),
        };
        let weight = tweedie_core::column(&weights, &error);
        Ok((error.square() * weight).mean())
    }
}
