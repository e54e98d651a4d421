//! The settings of a run, with their builders and their ranges.

use crate::{AdamWSettings, Decay, EmaDecay, LearningRate, MixedPrecision};
use serde::{Deserialize, Deserializer, Serialize};
use tweedie_math::ParameterError;

/// The settings of a training run.
///
/// ```
/// use tweedie_train::TrainSettings;
///
/// let settings = TrainSettings::default().with_steps(2_000).with_batch(16);
/// assert!(settings.check().is_ok());
/// assert!(settings.with_ema(1.5).check().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrainSettings {
    /// Number of optimiser steps, at least 1; default 10,000.
    pub steps: usize,
    /// Examples per step, from 1 to 2²⁴; default 64.
    pub batch: usize,
    /// Learning rate, above 0; by default 1e-3 with 100 steps of warm-up and cosine decay.
    pub learning_rate: LearningRate,
    /// AdamW's β₁ and β₂, ε and weight decay.
    pub adamw: AdamWSettings,
    /// Maximum global norm of the gradients (gradient clipping), above 0; default 1. `None` leaves
    /// the gradients as they are.
    pub clip: Option<f64>,
    /// Decays per step of the exponential moving averages of the parameters, at least one; by
    /// default one of 0.999, with [`EmaWarmup::Ratio`](crate::EmaWarmup::Ratio).
    ///
    /// Each average takes the memory of the parameters.
    #[serde(deserialize_with = "one_or_several")]
    pub ema: Vec<EmaDecay>,
    /// The run stops after this many steps in a row whose loss or gradient is not finite, at least
    /// 1; default 10.
    pub patience: usize,
    /// The largest number of parts into which a batch is split, from 1 to the size of the batch;
    /// default 1. All parts but the last are equal.
    ///
    /// The gradients of the parts are added up, so that a step needs the memory of one part only.
    pub accumulation: usize,
    /// The number of checkpoints that a run keeps, at least 1; default 2.
    pub keep: usize,
    /// Seed of the times, the noise, dropout, the order of the examples and their random choices;
    /// default 0.
    pub seed: u64,
    /// Whether the backward pass recomputes cheap operations instead of storing their outputs.
    ///
    /// These are normalisations, nonlinearities and sums. Recomputing saves memory, takes more time
    /// and gives the same gradients.
    pub recompute: bool,
    /// The precision of the forward and backward passes; by default that of the parameters.
    #[serde(default)]
    pub mixed_precision: MixedPrecision,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            steps: 10_000,
            batch: 64,
            learning_rate: LearningRate::new(1e-3)
                .with_warmup(100)
                .with_decay(Decay::Cosine),
            adamw: AdamWSettings::default(),
            clip: Some(1.0),
            ema: vec![EmaDecay::new(0.999)],
            patience: 10,
            accumulation: 1,
            keep: 2,
            seed: 0,
            recompute: false,
            mixed_precision: MixedPrecision::Off,
        }
    }
}

impl TrainSettings {
    /// Sets the number of optimiser steps.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// Sets the number of examples per step.
    #[must_use]
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// Sets the learning rate.
    #[must_use]
    pub fn with_learning_rate(self, learning_rate: LearningRate) -> Self {
        Self {
            learning_rate,
            ..self
        }
    }

    /// Sets the parameters of AdamW.
    #[must_use]
    pub fn with_adamw(self, adamw: AdamWSettings) -> Self {
        Self { adamw, ..self }
    }

    /// Sets the maximum global norm of the gradients.
    #[must_use]
    pub fn with_clip(self, clip: f64) -> Self {
        Self {
            clip: Some(clip),
            ..self
        }
    }

    /// Leaves the gradients as they are.
    #[must_use]
    pub fn without_clip(self) -> Self {
        Self { clip: None, ..self }
    }

    /// Keeps one moving average of the parameters, with this decay.
    #[must_use]
    pub fn with_ema(self, ema: impl Into<EmaDecay>) -> Self {
        self.with_emas([ema])
    }

    /// Keeps several moving averages of the parameters.
    /// [`Trainer::average`](crate::Trainer::average) is the first.
    #[must_use]
    pub fn with_emas<D: Into<EmaDecay>>(self, ema: impl IntoIterator<Item = D>) -> Self {
        Self {
            ema: ema.into_iter().map(Into::into).collect(),
            ..self
        }
    }

    /// Sets after how many steps in a row without a finite loss the run stops.
    #[must_use]
    pub fn with_patience(self, patience: usize) -> Self {
        Self { patience, ..self }
    }

    /// Sets the number of parts into which a batch is split.
    #[must_use]
    pub fn with_accumulation(self, accumulation: usize) -> Self {
        Self {
            accumulation,
            ..self
        }
    }

    /// Sets the number of checkpoints that a run keeps.
    #[must_use]
    pub fn with_keep(self, keep: usize) -> Self {
        Self { keep, ..self }
    }

    /// Sets the seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets whether the backward pass recomputes cheap operations.
    #[must_use]
    pub fn with_recompute(self, recompute: bool) -> Self {
        Self { recompute, ..self }
    }

    /// Sets the precision of the forward and backward passes.
    #[must_use]
    pub fn with_mixed_precision(self, mixed_precision: MixedPrecision) -> Self {
        Self {
            mixed_precision,
            ..self
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ParameterError`] for the first that is outside its range.
    pub fn check(&self) -> Result<(), ParameterError> {
        let check = |name, expected, value: f64, holds| {
            ParameterError::require(holds && value.is_finite(), name, expected, value).map(drop)
        };
        check("steps", "at least 1", self.steps as f64, self.steps > 0)?;
        let batch = (1..=1 << 24).contains(&self.batch);
        check("batch", "from 1 to 16,777,216", self.batch as f64, batch)?;
        for (name, count) in [("patience", self.patience), ("keep", self.keep)] {
            check(name, "at least 1", count as f64, count > 0)?;
        }
        let parts = (1..=self.batch).contains(&self.accumulation);
        let expected = "from 1 to the size of the batch";
        check("accumulation", expected, self.accumulation as f64, parts)?;
        self.learning_rate.check()?;
        self.adamw.check()?;
        if let Some(clip) = self.clip {
            check("the clipping norm", "above 0", clip, clip > 0.0)?;
        }
        let count = self.ema.len();
        check(
            "the number of averages",
            "at least 1",
            count as f64,
            count > 0,
        )?;
        self.ema.iter().try_for_each(EmaDecay::check)
    }
}

/// Reads a list, or the single value that older runs have.
fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<EmaDecay>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        One(EmaDecay),
        Several(Vec<EmaDecay>),
    }
    Ok(match Stored::deserialize(from)? {
        Stored::One(decay) => vec![decay],
        Stored::Several(decays) => decays,
    })
}
