//! Learned weights of the noise levels: the loss `L/e^u + u` with a learned function `u` of the
//! log-SNR. Its minimum is `u = ln E[L]`, so that every level contributes equally.
//!
//! # Reference
//! Kendall, Gal & Cipolla 2018, "Multi-task learning using uncertainty to weigh losses",
//! arXiv:1705.07115; Karras et al. 2024, arXiv:2312.02696 (for diffusion models).

use crate::{Batch, Draws, Loss, Losses, Objective, TrainError};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;
use tweedie_core::InputError;

/// The number of waves of which `u` is a sum.
const WAVES: usize = 128;

/// A model with the function `u` of the log-SNR, which weights its noise levels.
#[derive(Module, Debug)]
pub struct Weighted<M: Module> {
    model: M,
    amplitudes: Param<Tensor<2>>,
}

impl<M: Module> Weighted<M> {
    /// Adds `u = 0` to a model.
    #[must_use]
    pub fn new(model: M) -> Self {
        let device = model.devices().into_iter().next().unwrap_or_default();
        let amplitudes = Param::from_tensor(Tensor::zeros([WAVES, 1], &device));
        Self { model, amplitudes }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model, without `u`.
    #[must_use]
    pub fn into_model(self) -> M {
        self.model
    }

    /// `u` at each log-SNR: `[log_snr.len()]`.
    #[must_use]
    pub fn log_loss(&self, log_snr: &[f64]) -> Tensor<1> {
        let amplitudes = self.amplitudes.val();
        let waves = waves(log_snr, &amplitudes.device()).cast(amplitudes.dtype());
        waves.matmul(amplitudes).squeeze_dim(1)
    }
}

/// Random waves of `ln(σ/α)/4`, `[log_snr.len(), WAVES]`. They are the same in every run.
fn waves(log_snr: &[f64], device: &Device) -> Tensor<2> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let waves: Vec<[f64; 2]> = (0..WAVES).map(|_| [normal(), normal()]).collect();
    let value = |log_snr: f64, [frequency, phase]: [f64; 2]| {
        let x = -log_snr / 8.0;
        (2.0 * PI * (frequency * x + phase)).cos() * (2.0 / WAVES as f64).sqrt()
    };
    let values: Vec<f64> = log_snr
        .iter()
        .flat_map(|&log_snr| waves.iter().map(move |&wave| value(log_snr, wave)))
        .collect();
    Tensor::from_data(TensorData::new(values, [log_snr.len(), WAVES]), device)
}

/// An objective with a learned weight for each noise level, for models in [`Weighted`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tweedie_core::{Preconditioned, TimeInput};
/// use tweedie_math::{Edm, Prediction, TimeDensity};
/// use tweedie_models::{MlpConfig, seeded};
/// use tweedie_train::{LearnedWeight, ScoreMatching, TrainSettings, Trainer, Weighted};
///
/// let device = Device::flex();
/// let points = Tensor::<2>::from_floats([[1.0, 0.0], [-1.0, 0.0]], &device);
/// let network = seeded(0, &device, MlpConfig::new(2).with_width(16).init(&device)?);
/// let model = Preconditioned::new(network, Prediction::Edm { sigma_data: 0.7 }, TimeInput::Edm);
/// let density = TimeDensity::LogNormal { mean: -0.4, std: 1.0 };
/// let objective = LearnedWeight(ScoreMatching::new(Edm::default()).with_density(density));
/// let settings = TrainSettings::default().with_steps(3);
/// let mut trainer = Trainer::new(Weighted::new(model), objective, settings)?;
/// while trainer.step(&points)?.is_some() {}
/// let denoiser = trainer.average().model();
/// # let _ = denoiser;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LearnedWeight<O>(pub O);

impl<M: Module, O: Objective<M>> Objective<Weighted<M>> for LearnedWeight<O> {
    /// # Errors
    /// Those of the wrapped objective, and [`InputError::Refused`] if that learns from its losses,
    /// which differ from the weighted ones.
    fn check(&self, model: &Weighted<M>) -> Result<(), TrainError> {
        if !self.0.memory().is_empty() {
            let text = "learned weights go inside loss-aware sampling, not around it";
            return Err(InputError::Refused(text.into()).into());
        }
        self.0.check(model.model())
    }
}

impl<M: Module, const D: usize, C, O: Loss<M, D, C>> Loss<Weighted<M>, D, C> for LearnedWeight<O> {
    /// # Errors
    /// Those of the wrapped objective, and [`InputError::Refused`] if it has no noise levels.
    fn losses(
        &self,
        model: &Weighted<M>,
        batch: Batch<D, C>,
        draws: &mut Draws,
    ) -> Result<Losses, InputError> {
        let found = self.0.losses(model.model(), batch, draws)?;
        if found.log_snr.len() != found.values.dims()[0] {
            let text = "learned weights need an objective with noise levels";
            return Err(InputError::Refused(text.into()));
        }
        let u = model.log_loss(&found.log_snr).cast(found.values.dtype());
        Ok(Losses {
            values: found.values / u.clone().exp() + u,
            ..found
        })
    }
}
