//! The exponential moving average of a module's parameters: `ā ← d ā + (1 − d) a`.
//!
//! # Reference
//! Song & Ermon 2020, section 3.4, arXiv:2006.09011. The warm-ups are those of Abadi et al.'s
//! TensorFlow, of Katherine Crowson's k-diffusion and of Karras et al. 2024, eq. 127,
//! arXiv:2312.02696.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::HashMap;
use tweedie_math::ParameterError;
use tweedie_ops::average;

/// How the decay of a running average grows over its first updates `k`, from 0.
///
/// Without a warm-up, an average forgets its first parameters only after about `1/(1 − decay)`
/// updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmaWarmup {
    /// The same decay at every update.
    None,
    /// `(1 + k)/(10 + k)`, up to the final decay.
    #[default]
    Ratio,
    /// `1 − (1 + k/gamma)^−power`, up to the final decay.
    Power {
        /// The scale of the warm-up in updates, above 0: the larger, the slower.
        gamma: f64,
        /// The exponent, above 0: 2/3 for a million updates or more, 3/4 for fewer.
        power: f64,
    },
    /// `(1 − 1/(k + 1))^(gamma + 1)`: parameters of update `k` of `n` have a weight proportional to
    /// `k^gamma`, so that the average looks back over a fixed part of the run.
    /// [`post_hoc_average`](crate::post_hoc_average) combines such averages to one of another
    /// `gamma`.
    Profile {
        /// The exponent of the profile, at least 0: the larger, the shorter the average.
        gamma: f64,
    },
}

/// The decay of a running average.
///
/// ```
/// use tweedie_train::{EmaDecay, EmaWarmup};
///
/// let constant = EmaDecay::new(0.99).with_warmup(EmaWarmup::None);
/// assert_eq!(constant.at(0), 0.99);
/// // Half of an average over batches of 500 comes from the last 50,000 images.
/// let half = EmaDecay::half_life(50_000.0, 500);
/// assert!((half.limit.powi(100) - 0.5).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EmaDecay {
    /// The final decay, in `[0, 1)`, or 1 with [`EmaWarmup::Power`] or [`EmaWarmup::Profile`].
    pub limit: f64,
    /// How the decay grows to it.
    pub warmup: EmaWarmup,
}

impl EmaDecay {
    /// A final decay, with the warm-up [`EmaWarmup::Ratio`].
    #[must_use]
    pub fn new(limit: f64) -> Self {
        Self {
            limit,
            warmup: EmaWarmup::default(),
        }
    }

    /// The decay with which the weight of a batch halves every `images` images:
    /// `2^(−batch/images)`.
    #[must_use]
    pub fn half_life(images: f64, batch: usize) -> Self {
        Self::new((-(batch as f64) / images).exp2())
    }

    /// The average whose profile has the standard deviation `std`, as a part of the run's length,
    /// in `(0, 0.288]`: 0.05 and 0.1 suit [`post_hoc_average`](crate::post_hoc_average).
    ///
    /// # Errors
    /// [`ParameterError`] for a standard deviation outside this range.
    ///
    /// ```
    /// use tweedie_train::{EmaDecay, EmaWarmup};
    ///
    /// // Karras et al. 2024, section 3.1: a standard deviation of 5 % is γ = 16.97.
    /// let EmaWarmup::Profile { gamma } = EmaDecay::profile(0.05)?.warmup else {
    ///     panic!("a profile")
    /// };
    /// assert!((gamma - 16.97).abs() < 0.01);
    /// # Ok::<(), tweedie_math::ParameterError>(())
    /// ```
    pub fn profile(std: f64) -> Result<Self, ParameterError> {
        let fits = std > 0.0 && std <= 0.288;
        let name = "the relative standard deviation of an average";
        ParameterError::require(fits, name, "within (0, 0.288]", std)?;
        // The deviation falls with γ, about as 1/γ.
        let of = |gamma: f64| ((gamma + 1.0) / (gamma + 3.0)).sqrt() / (gamma + 2.0);
        let (mut low, mut high) = (0.0, 1.0 / std);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            match of(middle) > std {
                true => low = middle,
                false => high = middle,
            }
        }
        let gamma = 0.5 * (low + high);
        Ok(Self::new(1.0).with_warmup(EmaWarmup::Profile { gamma }))
    }

    /// Sets how the decay grows.
    #[must_use]
    pub fn with_warmup(self, warmup: EmaWarmup) -> Self {
        Self { warmup, ..self }
    }

    /// The decay at update `k`, from 0.
    #[must_use]
    pub fn at(&self, k: usize) -> f64 {
        let k = k as f64;
        self.limit.min(match self.warmup {
            EmaWarmup::None => 1.0,
            EmaWarmup::Ratio => (1.0 + k) / (10.0 + k),
            EmaWarmup::Power { gamma, power } => 1.0 - (1.0 + k / gamma).powf(-power),
            EmaWarmup::Profile { gamma } => (k / (k + 1.0)).powf(gamma + 1.0),
        })
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ParameterError`] for the first that is outside its range.
    pub fn check(&self) -> Result<(), ParameterError> {
        let grows = !matches!(self.warmup, EmaWarmup::None | EmaWarmup::Ratio);
        let below = self.limit < 1.0 || grows && self.limit <= 1.0;
        let (name, fits) = ("the decay of the average", self.limit >= 0.0 && below);
        ParameterError::require(
            fits,
            name,
            "within [0, 1), or 1 with a power or a profile",
            self.limit,
        )?;
        match self.warmup {
            EmaWarmup::None | EmaWarmup::Ratio => {}
            EmaWarmup::Power { gamma, power } => {
                ParameterError::require_positive("γ of the average's warm-up", gamma)?;
                ParameterError::require_positive("the power of the average's warm-up", power)?;
            }
            EmaWarmup::Profile { gamma } => {
                ParameterError::require_non_negative("γ of the average's profile", gamma)?;
            }
        }
        Ok(())
    }
}

impl From<f64> for EmaDecay {
    fn from(limit: f64) -> Self {
        Self::new(limit)
    }
}

/// The running average of a module's parameters, on the device without autodiff.
#[derive(Clone, Debug)]
pub struct Ema<M> {
    average: M,
    decay: EmaDecay,
}

impl<M: Module> Ema<M> {
    /// Starts from `model`'s parameters. The decay is not checked.
    #[must_use]
    pub fn new(model: &M, decay: impl Into<EmaDecay>) -> Self {
        Self::from_average(model.valid(), decay)
    }

    /// Continues from a stored average.
    #[must_use]
    pub fn from_average(average: M, decay: impl Into<EmaDecay>) -> Self {
        Self {
            average,
            decay: decay.into(),
        }
    }

    /// The decay.
    #[must_use]
    pub fn decay(&self) -> EmaDecay {
        self.decay
    }

    /// Updates the average with `model`; `k` counts the updates from 0. Parameters are matched by
    /// burn's `ParamId`, which clones and trained copies of a module share.
    ///
    /// # Panics
    /// If `model` lacks a parameter of the average, because it is another module.
    #[must_use]
    pub fn update(self, model: &M, k: usize) -> Self {
        let keep = self.decay.at(k);
        Self {
            average: self.average.map(&mut Lerp {
                fresh: collect(model),
                keep,
            }),
            decay: self.decay,
        }
    }

    /// The averaged module.
    #[must_use]
    pub fn average(&self) -> &M {
        &self.average
    }
}

/// The tensors of a module's parameters, without gradients.
pub(crate) fn collect<M: Module>(module: &M) -> HashMap<ParamId, Box<dyn Any>> {
    let mut found = Collect(HashMap::new());
    module.visit(&mut found);
    found.0
}

struct Collect(HashMap<ParamId, Box<dyn Any>>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().without_autodiff();
        self.0.insert(param.id, Box::new(value));
    }
}

struct Lerp {
    fresh: HashMap<ParamId, Box<dyn Any>>,
    keep: f64,
}

impl ModuleMapper for Lerp {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let fresh = self.fresh.remove(&param.id);
        let Some(fresh) = fresh.and_then(|value| value.downcast::<Tensor<D>>().ok()) else {
            panic!("average: the model has no parameter {}", param.id)
        };
        let keep = self.keep;
        param.map(|old| average(old, *fresh, keep))
    }
}
